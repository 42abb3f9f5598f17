"""The Parquet files of a run folder: how they are read, what is kept with them, and whose they are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from safetensors import SafetensorError

from xaikit.errors import StoreError
from xaikit.store.folder import Disk, Folder
from xaikit.store.pictures import MARK

UNREADABLE = (SafetensorError, OSError, ValueError, TypeError, LookupError, pa.ArrowException)
COMPUTED = "delete it to have its photographs computed again"


def read_table(folder: Folder, name: str, columns: Sequence[str] | None, remedy: str) -> pa.Table:
    """The table of a file. Raises StoreError with the remedy where it is missing or damaged."""
    try:
        # not by the path, in which "seed=0" would be taken for a column
        source = folder.path / name if isinstance(folder, Disk) else pa.BufferReader(folder.read(name))
        with pq.ParquetFile(source) as file:
            return file.read(columns=None if columns is None else list(columns))
    except UNREADABLE as error:
        raise damaged(f"{folder}/{name}", error, remedy) from error


def about_part(folder: Folder, part: str) -> dict[str, Any]:
    """What is kept with the rows of a part. Raises StoreError where it cannot be read."""
    try:
        with folder.open(part) as file:
            about: dict[str, Any] = json.loads((pq.read_schema(file).metadata or {})[MARK.encode()])
    except UNREADABLE as error:
        raise damaged(f"{folder}/{part}", error, COMPUTED) from error
    return about


def count_rows(folder: Folder, part: str) -> int:
    """How many rows a part has. Raises StoreError where it cannot be read."""
    try:
        with folder.open(part) as file:
            return int(pq.read_metadata(file).num_rows)
    except UNREADABLE as error:
        raise damaged(f"{folder}/{part}", error, COMPUTED) from error


def is_merged(part: str) -> bool:
    """Whether a part has taken the place of others."""
    return part.rpartition("/")[2].startswith("merged-")


def is_own_file(folder: Folder, name: str) -> bool:
    """Whether a run wrote a file below shards/; one that cannot be read has been damaged there."""
    try:
        if name.endswith(".parquet"):
            with folder.open(name) as file:
                return MARK.encode() in (pq.read_schema(file).metadata or {})
        with folder.open(name) as file:
            length = int.from_bytes(file.read(8), "little")
            return MARK in json.loads(file.read(length)).get("__metadata__", {})
    except (*UNREADABLE, OverflowError, MemoryError, AttributeError):
        return True


def damaged(path: str, error: Exception, remedy: str) -> StoreError:
    """What to say of a file that cannot be read."""
    return StoreError(f"{path}: damaged ({type(error).__name__}: {error}); {remedy}")


def unwritable(folder: Folder, error: OSError) -> StoreError:
    """What to say of a folder that cannot be written to."""
    return StoreError(f"{folder}: cannot be written to: {error}; name another folder in report.to")
