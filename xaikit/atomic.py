"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

UNFINISHED = ".xaikit-tmp"


@contextmanager
def whole(path: Path) -> Iterator[BinaryIO]:
    """Open a file to write; it takes the place of ``path`` when the block ends well, and leaves no trace otherwise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}{UNFINISHED}")
    try:
        with unfinished.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Remove what a killed process left unfinished in a folder and the folders in it."""
    for pattern in (f".*{UNFINISHED}", f"*/.*{UNFINISHED}"):
        for path in folder.glob(pattern):
            path.unlink()
