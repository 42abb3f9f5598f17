"""The Parquet files of a run folder: how they are read, what is kept with them, and whose they are."""

from __future__ import annotations

import errno
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.parquet as pq

from xaikit.errors import DamagedFile, StoreError
from xaikit.store.checksums import MARK, check_sealed, is_sealed, seal, sealed_footer
from xaikit.store.folder import Folder


class VanishedPart(StoreError):
    """A part was merged into another one while it was to be read."""

    def __init__(self, folder: object, part: str) -> None:
        super().__init__(f"{folder}/{part}: merged into another part while it was to be read; open the folder again")


@contextmanager
def readable(folder: Folder, name: str) -> Iterator[None]:
    """A file that is lost or not what was written becomes a DamagedFile; what the machine refuses stays what it is.

    Raises:
        DamagedFile: reading raised ValueError or TypeError, or the file is not there, or its disk cannot read it.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise DamagedFile(folder, name, "no such file") from error
    except (ValueError, TypeError) as error:
        raise DamagedFile(folder, name, error) from error
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        raise DamagedFile(folder, name, error) from error


@contextmanager
def writable(folder: Folder) -> Iterator[None]:
    """An OSError becomes a StoreError that names the folder."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"{folder}: cannot be written to: {error}; name another folder in report.to") from error


def read_table(folder: Folder, name: str, columns: Sequence[str] | None = None) -> pa.Table:
    """The table of a file, or some of its columns. Raises DamagedFile where it is lost or not what was written."""
    data = read_sealed(folder, name)
    with pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True) as file:
        return file.read(None if columns is None else list(columns))


def read_sealed(folder: Folder, name: str) -> bytes:
    """The bytes of a Parquet file. Raises DamagedFile where they are not those that were written."""
    with readable(folder, name):
        data = folder.read(name)
        check_sealed(data)
        return data


def write_table(folder: Folder, name: str, table: pa.Table) -> None:
    """Write a table as Parquet, sealed."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd", store_schema=True, write_page_checksum=True)
    with folder.write(name) as file:
        file.write(seal(buffer.getvalue()))


def read_footer(folder: Folder, part: str) -> pq.FileMetaData:
    """How many rows a part has, and what is kept with them. Raises DamagedFile or VanishedPart where it cannot be read."""
    with present(folder, part), readable(folder, part), folder.open(part) as file:
        return pq.read_metadata(pa.BufferReader(b"PAR1" + sealed_footer(file)))


@contextmanager
def present(folder: Folder, part: str) -> Iterator[None]:
    """A part that is not there has become part of another one."""
    try:
        yield
    except DamagedFile as error:
        if not isinstance(error.__cause__, FileNotFoundError):
            raise
        raise VanishedPart(folder, part) from error


def is_own_file(folder: Folder, name: str) -> bool:
    """Whether a run wrote a file below shards/; one that cannot be read has been damaged there."""
    try:
        with folder.open(name) as file:
            if name.endswith(".parquet"):
                return MARK.encode() in (pq.read_schema(file).metadata or {})
            length = int.from_bytes(file.read(8), "little")
            return MARK in json.loads(file.read(length)).get("__metadata__", {})
    except (ValueError, TypeError, AttributeError, OverflowError, pa.ArrowException, OSError):
        return True


def is_sealed_file(folder: Folder, name: str) -> bool:
    """Whether a Parquet file was written by a run, whatever has become of it since."""
    try:
        return is_sealed(folder.read(name))
    except (ValueError, OSError):
        return False
