import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from xaikit.store.atomic import FORGOTTEN, UNFINISHED, sweep, whole


def test_a_file_is_replaced_when_the_block_ends_well(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    for content in (b"first", b"second"):
        with whole(path) as file:
            file.write(content)
            assert not path.exists() or path.read_bytes() == b"first"
        assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file_and_no_trace(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(TypeError, match="bytes-like"), whole(path) as file:
        file.writelines([b"half of the n", "ew file"])
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def unfinished(folder: Path, host: str, process: int, name: str = "run.json", age: float = 0) -> Path:
    """What a process of a host has left, ``age`` seconds old."""
    path = folder / f".{name}.{host}.{process}{UNFINISHED}"
    path.write_bytes(b"half")
    then = time.time() - age
    os.utime(path, (then, then))
    return path


@pytest.fixture
def here(tmp_path: Path) -> tuple[str, int]:
    """This host and process, as an unfinished file names them."""
    with whole(tmp_path / "file"):
        (name,) = (path.name for path in tmp_path.iterdir())
    (tmp_path / "file").unlink()
    host, process = name.removeprefix(".file.").removesuffix(UNFINISHED).split(".")
    return host, int(process)


@pytest.fixture
def dead() -> int:
    """A process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_living_process_keeps_its_unfinished_file(tmp_path: Path, here: tuple[str, int]) -> None:
    path = unfinished(tmp_path, *here, age=3 * FORGOTTEN)
    with whole(tmp_path / "deep" / "file") as file:
        file.write(b"content")
        sweep(tmp_path)
    assert (tmp_path / "deep" / "file").read_bytes() == b"content"
    assert path.exists()
    assert here[1] == os.getpid()


@pytest.mark.parametrize("name", ["run.json", "cat.1.png", "a\nb"])
def test_a_dead_process_loses_its_unfinished_file(tmp_path: Path, here: tuple[str, int], dead: int, name: str) -> None:
    left = [unfinished(tmp_path, here[0], process, name) for process in (dead, 2**70)]
    sweep(tmp_path)
    assert not any(path.exists() for path in left)


def test_a_process_of_somebody_else_lives(
    tmp_path: Path, here: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refused)
    path = unfinished(tmp_path, here[0], 1)
    sweep(tmp_path)
    assert path.exists()


def test_another_host_has_a_day(tmp_path: Path, dead: int) -> None:
    old = unfinished(tmp_path, "elsewhere", dead, "old", FORGOTTEN + 60)
    new = unfinished(tmp_path, "elsewhere", dead, "new", FORGOTTEN - 60)
    nameless = unfinished(tmp_path, "", 0, "file", FORGOTTEN + 60).rename(tmp_path / f".file{UNFINISHED}")
    sweep(tmp_path)
    assert not old.exists()
    assert not nameless.exists()
    assert new.exists()


def test_sweep_takes_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "maps").mkdir()
    for name in (".hidden", "maps/mine.tmp", f"mine{UNFINISHED}"):
        (tmp_path / name).write_bytes(b"")
        os.utime(tmp_path / name, (0, 0))
    sweep(tmp_path)
    sweep(tmp_path / "absent")
    assert sorted(path.name for path in tmp_path.rglob("*")) == [".hidden", "maps", "mine.tmp", f"mine{UNFINISHED}"]


@pytest.mark.parametrize("host", ["node-1.example.org", "x" * 200, "日本"])
def test_the_longest_file_name_has_room_for_any_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: host)
    longest = tmp_path / ("n" * 200)
    with whole(longest):
        sweep(tmp_path)
    assert list(tmp_path.iterdir()) == [longest]


@pytest.mark.parametrize("durable", [True, False])
def test_the_disk_is_waited_for_where_that_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durable: bool
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    with whole(tmp_path / "file", durable=durable) as file:
        file.write(b"content")
    assert bool(synced) == durable
    assert (tmp_path / "file").read_bytes() == b"content"
