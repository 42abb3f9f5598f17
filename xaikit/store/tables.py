"""The Parquet files of a run folder: how they are read, what is kept with them, and whose they are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.parquet as pq
from safetensors import SafetensorError

from xaikit.errors import StoreError
from xaikit.store.folder import Disk, Folder
from xaikit.store.pictures import MARK

UNREADABLE = (SafetensorError, OSError, ValueError, TypeError, LookupError, pa.ArrowException)
COMPUTED = "delete it to have its photographs computed again"


@contextmanager
def readable(path: str, remedy: str) -> Iterator[None]:
    """What is raised while a file is read becomes a StoreError with the remedy."""
    try:
        yield
    except UNREADABLE as error:
        raise StoreError(f"{path}: damaged ({type(error).__name__}: {error}); {remedy}") from error


@contextmanager
def writable(folder: Folder) -> Iterator[None]:
    """An OSError becomes a StoreError that names the folder."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"{folder}: cannot be written to: {error}; name another folder in report.to") from error


def read_table(folder: Folder, name: str, remedy: str, columns: Sequence[str] | None = None) -> pa.Table:
    """The table of a file, or some of its columns. Raises StoreError with the remedy where it is missing or damaged."""
    with readable(f"{folder}/{name}", remedy):
        # not by the path, in which "seed=0" would be taken for a column
        source = folder.path / name if isinstance(folder, Disk) else pa.BufferReader(folder.read(name))
        with pq.ParquetFile(source) as file:
            return file.read(None if columns is None else list(columns))


def read_footer(folder: Folder, part: str) -> pq.FileMetaData:
    """How many rows a part has, and what is kept with them. Raises StoreError where it cannot be read."""
    with readable(f"{folder}/{part}", COMPUTED), folder.open(part) as file:
        return pq.read_metadata(file)


def is_own_file(folder: Folder, name: str) -> bool:
    """Whether a run wrote a file below shards/; one that cannot be read has been damaged there."""
    try:
        with folder.open(name) as file:
            if name.endswith(".parquet"):
                return MARK.encode() in (pq.read_schema(file).metadata or {})
            length = int.from_bytes(file.read(8), "little")
            return MARK in json.loads(file.read(length)).get("__metadata__", {})
    except (*UNREADABLE, OverflowError, MemoryError, AttributeError):
        return True
