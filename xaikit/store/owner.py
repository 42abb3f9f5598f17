"""Whose a folder is: that of a run of this format, of another one, or somebody else's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from xaikit.errors import DamagedFile, StoreError
from xaikit.store.checksums import KEY, from_json
from xaikit.store.folder import Disk, Folder
from xaikit.store.tables import is_sealed_file, readable

FORMAT = 5
PLAN, TRIALS, PHOTOGRAPHS = "plan.json", "trials.parquet", "photographs.parquet"
SHARDS = "shards"


def is_of_a_run(folder: Folder) -> bool:
    """Whether a folder whose plan is lost or damaged holds what only a run writes."""
    written = [TRIALS, PHOTOGRAPHS, *folder.names(SHARDS, ".parquet")]
    return any(folder.size(name) is not None and is_sealed_file(folder, name) for name in written)


def is_own(folder: Folder, name: str) -> bool:
    """Whether a run wrote a file, by the mark that it bears: a checksum, the words of a failure, the format of a plan.

    One without any content, as a loss of power leaves it, is nobody's and counts as well.
    """
    if folder.size(name) is None:
        return False
    if name.endswith(".parquet"):
        return is_sealed_file(folder, name)
    data = folder.read(name).strip(b"\0\n ")
    try:
        value = json.loads(data.splitlines()[0] if name.endswith(".jsonl") and data else data or "{}")
    except ValueError:
        return is_of_a_run(folder)  # damaged, where the others tell whose it was
    if not data or not isinstance(value, dict):
        return not data
    if name.endswith(".jsonl"):
        return value.keys() >= {"bench", "name", "error"}
    # plans of before format 4 bear no checksum
    return KEY in value or (name == PLAN and type(value.get("format")) is int)


def check_own(folder: Folder) -> None:
    """Raises StoreError where there is a plan that no run wrote."""
    if folder.size(PLAN) is not None and not is_own(folder, PLAN):
        raise StoreError(
            f"{folder}: expected the folder of a run to begin anew, got one whose {PLAN} no run wrote; nothing was removed, "
            "name another folder in report.to"
        )


def is_planned(folder: Folder) -> bool:
    """Whether there is a plan, of this format; a damaged one of a run is none.

    Raises:
        StoreError: the plan is another version's, or nothing tells whether it is a run's.
    """
    if folder.size(PLAN) is None:
        return False
    try:
        check_format(folder)
    except DamagedFile:
        # after a loss of power a file may be there without its content
        if not is_of_a_run(folder) and folder.read(PLAN).strip(b"\0"):
            raise
        return False
    return True


def check_format(folder: Folder) -> None:
    """Raises StoreError where the plan is another version's, DamagedFile where it is damaged."""
    stated = stated_format(folder)
    if stated != FORMAT:
        raise StoreError(
            f"{folder}: expected a run of format {FORMAT}, got {stated!r}: it was written by another version of "
            "xaikit; name another folder in report.to, or use --force to begin this one anew"
        )


def stated_format(folder: Folder) -> Any:
    """The format that the plan states. Raises DamagedFile where it is damaged."""
    with readable(folder, PLAN):
        text = folder.read(PLAN)
        try:
            return from_json(text).get("format")
        except ValueError:
            value = json.loads(text)
            # plans of before format 4 bear no checksum
            if isinstance(value, dict) and KEY not in value and value.get("format") != FORMAT:
                return value.get("format")
            raise


def check_run(folder: Folder, where: str | Path) -> None:
    """Refuse a folder that holds no run, finished or not. Raises StoreError."""
    if folder.size(PLAN) is not None or is_of_a_run(folder):
        return
    absent = isinstance(folder, Disk) and not folder.path.is_dir()
    what = "there is no such folder" if absent else f"got one without {PLAN}"
    raise StoreError(f"{where}: expected the folder of a run, {what}")
