"""A folder on a disk, or behind a URL that fsspec knows: files that appear whole or not at all."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Protocol
from urllib.request import url2pathname

from xaikit.errors import StoreError
from xaikit.plain.faults import shown
from xaikit.store.atomic import UNFINISHED, sweep, whole


class Folder(Protocol):
    """What a store asks of the place it lies in. Names are relative, with ``/`` between their parts."""

    def __str__(self) -> str: ...

    def write(self, name: str, *, durable: bool = True) -> AbstractContextManager[BinaryIO]:
        """A file to write; it has its name when the block ends well, and is not there otherwise.

        ``durable`` waits until the disk has it.
        """

    def overwrite(self, name: str, data: bytes) -> None:
        """Put other bytes, as many, into a small file that nobody else writes. Raises FileNotFoundError where it is gone."""

    def read(self, name: str) -> bytes: ...

    def open(self, name: str) -> AbstractContextManager[BinaryIO]:
        """A file to read some of."""

    def size(self, name: str) -> int | None:
        """In bytes; None where there is no such file."""

    def names(self, folder: str = "", ending: str = "") -> list[str]:
        """The names of all files at or below a folder, sorted; none where it does not exist."""

    def first(self, besides: str = "") -> str | None:
        """The first file or folder of all that lie here, that one and unfinished files aside; None where nothing does."""

    def remove(self, name: str) -> None: ...

    def check_writable(self) -> None:
        """Raises StoreError where it is known that nothing can be written here; nothing is tried."""

    def sweep(self) -> None:
        """Remove what a killed process left unfinished."""

    def url(self, name: str) -> str:
        """As pyarrow and duckdb open it."""


def folder_of(where: str | Path) -> Folder:
    """The folder at a path or URL, ``~`` being the home of a user. Raises StoreError where a URL cannot be opened, or it is
    neither."""
    if not isinstance(where, (str, os.PathLike)):
        raise StoreError(f"expected a run folder, its path or URL, got {type(where).__name__}")
    address = os.fspath(where)
    if re.match("file:", address, re.IGNORECASE):
        return _disk(url2pathname(_path_of(address)))
    if "://" not in address:
        path = os.path.expanduser(address)
        if address.startswith("~") and path == address:
            raise StoreError(f"{address}: there is no user of that name; write the folder in full, or ./{address}")
        return _disk(path)
    return Remote(re.sub(r"(?<![:/])/+$", "", address))


def _path_of(address: str) -> str:
    """What stands behind ``file:``, with all that is a query or a fragment of other addresses; of this host alone."""
    path = re.fullmatch("file:(?://(?:localhost)?(?=/)|(?!//))(/.*)", address, re.IGNORECASE | re.DOTALL)
    if path is None:
        raise StoreError(f"expected file:///folder, got {address}")
    return path[1]


def _disk(path: str) -> Disk:
    """A folder, there or not yet. Raises StoreError where the system takes no such path."""
    try:
        for place in (path, *Path(path).parts):  # each alone, too: behind a folder that is not there none is looked at
            with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
                os.lstat(place)
    except (OSError, ValueError) as error:
        raise _refused(shown(path), error) from error
    return Disk(Path(path))


def _refused(address: str, error: Exception) -> StoreError:
    reason = getattr(error, "strerror", None) or error
    return StoreError(f"{address}: cannot be opened: {reason}; name another folder in report.to")


@dataclass(frozen=True)
class Disk:
    """A folder of this machine."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def write(self, name: str, *, durable: bool = True) -> AbstractContextManager[BinaryIO]:
        return whole(self._at(name), durable=durable)

    def overwrite(self, name: str, data: bytes) -> None:
        with (self.path / name).open("r+b") as file:
            file.write(data)

    def read(self, name: str) -> bytes:
        return self._at(name).read_bytes()

    def open(self, name: str) -> AbstractContextManager[BinaryIO]:
        return self._at(name).open("rb")

    def size(self, name: str) -> int | None:
        path = self._at(name)
        return path.stat().st_size if path.is_file() else None

    def names(self, folder: str = "", ending: str = "") -> list[str]:
        paths = self._at(folder).rglob(f"*{ending}")
        return sorted(path.relative_to(self.path).as_posix() for path in paths if path.is_file())

    def first(self, besides: str = "") -> str | None:
        if not self.path.is_dir():
            return None
        names = (path.name for path in self.path.iterdir() if not path.name.endswith(UNFINISHED))
        return min((name for name in names if name != besides), default=None)

    def remove(self, name: str) -> None:
        self._at(name).unlink(missing_ok=True)

    def check_writable(self) -> None:
        if self.path.exists() and not self.path.is_dir():
            raise StoreError(f"{self.path}: expected a folder for the run, got a file")
        parents = (self.path, *self.path.absolute().parents)
        nearest = next((parent for parent in parents if parent.exists()), Path("/"))
        if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
            problem = "is no folder" if not nearest.is_dir() else "may not be written to"
            raise StoreError(
                f"{self.path}: cannot be written to: {nearest} {problem}; name another folder in report.to"
            )

    def sweep(self) -> None:
        sweep(self.path)

    def url(self, name: str) -> str:
        return str(self._at(name))

    def _at(self, name: str) -> Path:
        return self.path / _below(self, name)


@dataclass(frozen=True)
class Remote:
    """A folder behind a URL such as s3://bucket/run. An object there appears whole by itself."""

    address: str

    def __str__(self) -> str:
        return self.address

    @cached_property
    def filesystem(self) -> Any:
        """The filesystem of fsspec."""
        return self._opened[0]

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        try:
            import fsspec
        except ImportError as error:
            raise StoreError(f"{self.address}: a remote folder needs fsspec: pip install 'xaikit[s3]'") from error
        try:
            filesystem, path = fsspec.core.url_to_fs(self.address)
        except (ImportError, OSError, ValueError) as error:
            raise _refused(self.address, error) from error
        return filesystem, str(path).rstrip("/")

    @contextmanager
    def write(self, name: str, *, durable: bool = True) -> Iterator[BinaryIO]:
        buffer = io.BytesIO()
        yield buffer
        self.filesystem.pipe_file(self.at(name), buffer.getvalue())

    def overwrite(self, name: str, data: bytes) -> None:
        self.filesystem.invalidate_cache()
        if self.size(name) is None:
            raise FileNotFoundError(name)
        self.filesystem.pipe_file(self.at(name), data)

    def read(self, name: str) -> bytes:
        data: bytes = self.filesystem.cat_file(self.at(name))
        return data

    def open(self, name: str) -> AbstractContextManager[BinaryIO]:
        file: AbstractContextManager[BinaryIO] = self.filesystem.open(self.at(name), "rb")
        return file

    def size(self, name: str) -> int | None:
        try:
            info = self.filesystem.info(self.at(name))
        except FileNotFoundError:
            return None
        return int(info["size"]) if info["type"] == "file" else None

    def names(self, folder: str = "", ending: str = "") -> list[str]:
        self.filesystem.invalidate_cache()
        root = self._opened[1]
        paths = self.filesystem.find(self.at(folder) if folder else root)
        names = (str(path).removeprefix(root).lstrip("/") for path in paths)
        return sorted(name for name in names if name.endswith(ending))

    def first(self, besides: str = "") -> str | None:
        names = (name.partition("/")[0] for name in self.names())
        return next((name for name in names if name != besides), None)

    def remove(self, name: str) -> None:
        if self.size(name) is not None:
            self.filesystem.rm_file(self.at(name))

    def check_writable(self) -> None:
        """That is found out when something is written."""

    def sweep(self) -> None:
        """Nothing is ever unfinished here."""

    def url(self, name: str) -> str:
        return f"{self.address}/{name}"

    def at(self, name: str) -> str:
        """As the filesystem names it."""
        return f"{self._opened[1]}/{_below(self, name)}"


def _below(folder: Folder, name: str) -> str:
    """A name out of a file that anybody may have written. Raises StoreError where it means another place."""
    if ".." in re.split(r"[/\\]", name) or Path(name).is_absolute() or "\0" in name:
        raise StoreError(f"{folder}: damaged: expected the name of a file in this folder, got {name!r}")
    return name
