"""Whether a run may write into a folder, found out before anything is computed and without leaving a trace."""

from __future__ import annotations

import os
from pathlib import Path

from xaikit.errors import StoreError
from xaikit.store.folder import Disk, Folder

PLAN = "plan.json"


def check_free(folder: Folder) -> None:
    """That a folder is new, empty or that of a run, and can be written to.

    Raises:
        StoreError: with what is in the way.
    """
    if isinstance(folder, Disk):
        _check_writable(folder.path)
    first = folder.first()
    if first is not None and folder.size(PLAN) is None:
        raise StoreError(
            f"{folder}: expected an empty folder or that of a run, got one with other files ('{first}')"
            f" and no {PLAN}; name another folder in report.to"
        )


def _check_writable(path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise StoreError(f"{path}: expected a folder for the run, got a file")
    nearest = next((parent for parent in (path, *path.absolute().parents) if parent.exists()), Path("/"))
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        kind = "is no folder" if not nearest.is_dir() else "may not be written to"
        raise StoreError(f"{path}: cannot be written to: {nearest} {kind}; name another folder in report.to")
