from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import uuid
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from xaikit.errors import StoreError
from xaikit.store import lease as module
from xaikit.store.folder import Folder, folder_of
from xaikit.store.lease import BEAT, COMPACT, STALE, Holder, leased, live_holders


@pytest.fixture(params=["disk", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    return folder_of(tmp_path / "run" if request.param == "disk" else f"memory://{uuid.uuid4().hex}/run")


def left_behind(folder: Folder, **changes: object) -> Holder:
    """A lease of another machine that was heard of a moment ago."""
    values = {"machine": "another", "host": "elsewhere", "pid": 7, "held": True, **changes}
    holder = replace(Holder(), **values)  # type: ignore[arg-type]
    with folder.write(f"leases/{holder.token}.json") as file:
        file.write(json.dumps(asdict(holder)).encode().ljust(1024))
    return holder


def test_a_lease_is_there_while_the_block_runs(folder: Folder) -> None:
    with leased(folder, "1/2") as lease:
        (holder,) = live_holders(folder)
        assert (holder.share, holder.held) == ("1/2", True)
        lease.check()
    assert live_holders(folder) == folder.names() == []
    with pytest.raises(ZeroDivisionError), leased(folder):
        raise ZeroDivisionError
    assert folder.names() == []


@pytest.mark.parametrize(
    ("mine", "theirs", "side_by_side"),
    [
        (("", "a"), ("", "a"), False),
        (("1/2", "a"), ("2/2", "a"), True),
        (("1/2", "a"), ("1/2", "a"), False),
        (("1/2", "a"), ("2/3", "a"), False),
        (("1/2", "a"), ("2/2", "b"), False),
        (("1/2", "a"), ("", "a"), False),
        ((COMPACT, ""), ("1/2", "a"), False),
        ((COMPACT, ""), (COMPACT, ""), False),
    ],
)
def test_only_other_shares_of_one_work_write_side_by_side(
    folder: Folder, mine: tuple[str, str], theirs: tuple[str, str], side_by_side: bool
) -> None:
    left_behind(folder, share=theirs[0], work=theirs[1])
    if side_by_side:
        with leased(folder, *mine):
            assert len(live_holders(folder)) == 2
        return
    with (
        pytest.raises(StoreError, match=r"on host elsewhere, pid 7, last heard of 0 s ago.*--shard"),
        leased(folder, *mine),
    ):
        pass
    assert len(live_holders(folder)) == 1


def test_a_lease_that_was_not_heard_of_for_a_minute_is_taken_over(folder: Folder) -> None:
    old = left_behind(folder, heard=time.time() - STALE - 1)
    with leased(folder) as lease:
        assert lease.taken_over == (old,)
        assert [holder.token for holder in live_holders(folder)] == [lease.holder.token]


def test_a_lease_of_a_dead_process_of_this_machine_is_taken_over_at_once(folder: Folder) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    left_behind(folder, machine=Holder().machine, pid=process.pid)
    left_behind(folder, machine=Holder().machine, pid=Holder().pid)  # the same process id after a restart
    with leased(folder) as lease:
        assert len(lease.taken_over) == 2


def test_a_damaged_lease_counts_for_nothing(folder: Folder) -> None:
    for name, data in {"half": b'{"share": ', "empty": b"", "other": b'{"a": 1}', "list": b"[1]"}.items():
        with folder.write(f"leases/{name}.json") as file:
            file.write(data)
    with leased(folder) as lease:
        assert len(lease.taken_over) == 4


def test_who_was_taken_over_is_told_so(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BEAT", 0.01)
    with leased(folder) as lease:
        folder.remove(lease.name)
        time.sleep(0.1)
        assert folder.names() == [], "a sign of life does not bring it back"
        with pytest.raises(StoreError, match="taken over"):
            lease.check()


def test_a_sign_of_life_is_given_while_it_is_held(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    assert 3 * BEAT < STALE
    monkeypatch.setattr(module, "BEAT", 0.01)
    with leased(folder) as lease:
        until = time.monotonic() + 10
        while live_holders(folder)[0].heard == lease.holder.heard and time.monotonic() < until:
            time.sleep(0.01)
        assert live_holders(folder)[0].heard > lease.holder.heard


def test_a_thread_waits_for_another_of_its_process_and_not_for_itself(tmp_path: Path) -> None:
    folder, order = folder_of(tmp_path), []

    def wait() -> None:
        with leased(folder):
            order.append("second")

    with leased(folder):
        waiting = threading.Thread(target=wait)
        waiting.start()
        time.sleep(0.1)
        order.append("first")
        with pytest.raises(StoreError, match="the only one"), leased(folder):
            pass
    waiting.join()
    assert order == ["first", "second"]


CLAIM = """
import sys, time
from pathlib import Path
from xaikit.errors import StoreError
from xaikit.store.folder import folder_of
from xaikit.store.lease import leased

folder, name = Path(sys.argv[1]), sys.argv[2]

def meet(number, event):
    (folder / f"{number}.{event}.{name}").touch()
    until = time.monotonic() + 60
    while len(list(folder.glob(f"{number}.{event}.*"))) < 3:
        assert time.monotonic() < until, f"somebody did not come: {number} {event}"
        time.sleep(0.001)

for number in range(20):
    meet(number, "ready")
    try:
        with leased(folder_of(str(folder / "run"))):
            (folder / f"{number}.won").touch(exist_ok=False)
            meet(number, "tried")
    except StoreError:
        meet(number, "tried")
    meet(number, "released")
"""


def test_of_claims_at_one_instant_exactly_one_wins(tmp_path: Path) -> None:
    """Who wins holds its lease until the others have tried."""
    claimants = [
        subprocess.Popen([sys.executable, "-c", CLAIM, str(tmp_path), name], stderr=subprocess.PIPE, text=True)
        for name in "abc"
    ]
    errors = [claimant.communicate()[1] for claimant in claimants]
    assert errors == [""] * 3, "nobody won what another one had"
    assert len(list(tmp_path.glob("*.won"))) == 20
