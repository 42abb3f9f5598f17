"""Files that appear whole or not at all."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

UNFINISHED = ".xaikit-tmp"


FORGOTTEN = 24 * 3600
"""Seconds after which an unfinished file of another machine, whose processes cannot be asked for, counts as left behind."""


@contextmanager
def whole(path: Path, *, durable: bool = True) -> Iterator[BinaryIO]:
    """Open a file to write and read back; it takes the place of ``path`` when the block ends well, and leaves no trace
    otherwise.

    Args:
        durable: wait until the disk has it, so that it outlives a loss of power as well.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = f"{_host()}+{threading.get_native_id()}.{os.getpid()}"
    unfinished = path.with_name(f".{path.name}.{writer}{UNFINISHED}")
    try:
        with unfinished.open("w+b") as file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.replace(unfinished, path)
        if durable:
            _sync(path.parent)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


def sweep(folder: Path) -> None:
    """Remove what killed processes left unfinished at or below a folder; what a living one is writing stays."""
    for path in folder.rglob(f".*{UNFINISHED}"):
        with suppress(FileNotFoundError):
            if _is_left_behind(path):
                path.unlink()


def _is_left_behind(path: Path) -> bool:
    writer = re.fullmatch(rf".*\.([^.+]*)(?:\+\d+)?\.(\d+){re.escape(UNFINISHED)}", path.name, re.DOTALL)
    if writer is None or writer[1] != _host() or os.name == "nt":
        return time.time() - path.stat().st_mtime > FORGOTTEN
    return not lives(int(writer[2]))


def lives(process: int) -> bool:
    """Whether a process of this machine is running; Windows cannot be asked, there all are."""
    if os.name == "nt":
        return True  # there is no way to ask that does not end it
    try:
        with suppress(PermissionError):
            os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    return True


def _host() -> str:
    """The name of this machine in few letters, so that a file's own name has room beside it."""
    name = re.sub(r"[^0-9A-Za-z-]", "-", socket.gethostname())
    return name if len(name) <= 24 else f"{name[:15]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _sync(folder: Path) -> None:
    """Have the disk know the new name; where folders cannot be opened for that, nothing is lost but the last file."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
