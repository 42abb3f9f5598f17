"""Shards that may kill who computes them: found by what earlier sittings left behind, and done in processes of their own.

A sitting writes down which shards it has begun. Where it died over them by a fault of the machine code, or where two in a row
died, they are suspects; as is what has killed a process before.
"""

from __future__ import annotations

import faulthandler
import os
import pickle
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from xaikit.planning.shards import Job, Receipt, Shard, Stop
from xaikit.runner.worker import Worker
from xaikit.store.folder import Disk, Folder
from xaikit.store.rows import Failure
from xaikit.store.sittings import SITTINGS, dead_sittings
from xaikit.store.store import Store

KILLER = "killed the process that looked at it"
Photographs = frozenset[tuple[str, str]]
"""By bench and name."""


@contextmanager
def crash_recorded(folder: Folder, token: str) -> Iterator[None]:
    """Where machine code ends the process (as by SIGSEGV), the folder says so, and where in Python it was."""
    if not isinstance(folder, Disk):
        yield
        return
    path = folder.path / _crash(token)
    path.parent.mkdir(exist_ok=True)
    before = faulthandler.is_enabled()
    with path.open("w") as file:
        faulthandler.enable(file)
        try:
            yield
        finally:
            faulthandler.disable()
            with suppress(OSError, ValueError, AttributeError):  # stderr may be no file
                if before and sys.__stderr__ is not None:
                    faulthandler.enable(sys.__stderr__)
            path.unlink(missing_ok=True)  # an exception has ended it, or nothing at all


def suspects(store: Store, share: str) -> Photographs:
    """The photographs that a process of this share, or of any where it is the whole, has died over."""
    failed = [(failure.bench, failure.name) for failure in store.failures() if failure.error.startswith(KILLER)]
    begun: Counter[tuple[str, str]] = Counter()
    for sitting in dead_sittings(store.folder, share):
        # a kill from outside is nobody's fault, unless it is the second one over the same
        weight = 2 if store.folder.size(_crash(sitting["token"])) else 1
        for shard in sitting["begun"]:
            begun.update(dict.fromkeys(((shard["bench"], name) for name in shard["names"]), weight))
    return frozenset([*failed, *(photograph for photograph, times in begun.items() if times > 1)])


def parted(job: Job, shards: Sequence[Shard], photographs: Photographs) -> tuple[list[Shard], list[Shard]]:
    """The shards to be done apart, and all others. Photographs are read ahead: the shard behind a suspect is one, too."""
    apart: list[Shard] = []
    for place, shard in enumerate(shards):
        near = shards[max(place - 1, 0) : place + 1]
        if any(
            (job.keys[each.bench], job.names[each.bench][at]) in photographs for each in near for at in each.positions
        ):
            apart.append(shard)
    return apart, [shard for shard in shards if shard not in apart]


def execute(job: Job, shards: Sequence[Shard], stop: Stop) -> Iterator[Receipt]:
    """Do shards one after the other, each in a process of its own; what kills that is tried a photograph at a time.

    Raises:
        Exception: what a process has raised.
    """
    for shard in shards:
        if stop(shard):
            return
        receipt = _in_process(job, shard)
        if len(shard.positions) == 1 or not any(each.error.startswith(KILLER) for each in receipt.failures):
            yield receipt
            continue
        yield Receipt(shard, 0)  # it has ended; its photographs begin
        for alone in shard.alone():
            if stop(alone):
                return
            yield _in_process(job, alone)


def _in_process(job: Job, shard: Shard) -> Receipt:
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder, "answer")
        process = subprocess.run(
            [sys.executable, "-X", "faulthandler", "-c", f"from {__name__} import answer; answer({str(answer)!r})"],
            input=pickle.dumps((job, shard)),
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,  # Ctrl-C is for this process
            check=False,
        )
        if not answer.exists():
            return _killed(job, shard, process.returncode, process.stderr.decode(errors="replace"))
        receipt = pickle.loads(answer.read_bytes())
    if isinstance(receipt, Exception):
        raise receipt
    made: Receipt = receipt
    return made


def answer(path: str) -> None:
    """What the other process does: a shard from its input; the receipt, or what was raised, goes to a file."""
    job, shard = pickle.loads(sys.stdin.buffer.read())
    try:
        outcome: object = Worker(job).explain(shard)
    except Exception as error:
        outcome = error
    Path(path).write_bytes(pickle.dumps(outcome))


def _killed(job: Job, shard: Shard, code: int, details: str) -> Receipt:
    key, names = job.keys[shard.bench], job.names[shard.bench]
    how = signal.Signals(-code).name if -code in set(signal.Signals) else f"exit code {code}"
    error = f"{KILLER} ({how})"
    failures = [Failure(key, names[place], error=error, details=details) for place in shard.positions]
    return Receipt(shard, len(shard.positions), failures=tuple(failures))


def _crash(token: str) -> str:
    return f"{SITTINGS}/{token}.crash"
