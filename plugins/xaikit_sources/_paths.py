"""What the sources share about files: which are pictures, what is near a missing one, how one becomes a photograph."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache, partial
from itertools import pairwise
from pathlib import Path

from PIL import Image, ImageFile

from xaikit import DataError, nearest
from xaikit.sources import Photograph

_NO_PHOTOGRAPHS = {"EPS", "MPEG"}  # a page description and a film, which Pillow opens in part


@lru_cache(maxsize=1)
def suffixes() -> frozenset[str]:
    """The suffixes of the formats that Pillow decodes by itself, lower case."""
    Image.init()
    return frozenset(suffix for suffix, format in Image.EXTENSION.items() if _decodes(format))


def _decodes(format: str) -> bool:
    if format not in Image.OPEN or format in _NO_PHOTOGRAPHS:
        return False
    factory = Image.OPEN[format][0]
    return not (isinstance(factory, type) and issubclass(factory, ImageFile.StubImageFile))


def pictures(paths: Iterable[Path]) -> list[Path]:
    """The files among the paths that are pictures by their suffix, in natural order; where there are none, arrays (.npy), which
    beside pictures are something else, such as their features."""
    files = [path for path in paths if path.suffix.lower() in suffixes() | {".npy"} and path.is_file()]
    arrays = all(path.suffix.lower() == ".npy" for path in files)
    return sorted((path for path in files if arrays or path.suffix.lower() != ".npy"), key=natural)


def natural(path: Path) -> tuple[list[tuple[bool, int, str]], str]:
    """To sort paths by: 2.jpg before 10.jpg; what only differs in leading zeros by its text."""
    parts = re.split(r"([0-9]+)", str(path))
    return [(False, int(part), "") if part.isdecimal() else (True, 0, part) for part in parts if part], str(path)


def pictures_in(folder: Path, recursive: bool) -> list[Path]:
    """The pictures of a folder in natural order; hidden files and folders are passed over."""
    paths = folder.rglob("*") if recursive else folder.iterdir()
    return pictures(path for path in paths if not _hidden(path.relative_to(folder)))


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def folder_at(path: str, where: str) -> Path:
    """The folder of that path. Raises :class:`DataError` where it does not exist or is a file."""
    folder = Path(path).expanduser()
    if folder.is_file():
        raise DataError(f"{where}: expected a folder, got the file {path!r}; for files there is 'source: files'")
    if not folder.is_dir():
        raise DataError(f"{where}: {missing(path)}")
    return folder


def is_file(path: Path) -> bool:
    """Whether there is such a file; also of what no file can be called."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def missing(path: str) -> str:
    """What to say of a path at which there is no file: the nearest names beside its first missing part."""
    try:
        return _missing(path)
    except (OSError, ValueError, RuntimeError) as error:
        short = path if len(path) <= 80 else f"{path[:80]}... ({len(path)} characters)"
        return f"there is no {short!r}: {getattr(error, 'strerror', None) or error}"


def _missing(path: str) -> str:
    if Path(path).expanduser().is_dir():
        return f"expected a file, got the folder {path!r}"
    *parents, part = _first_missing(Path(path).expanduser().absolute()).parts
    folder = Path(*parents)
    beside = sorted(other.name for other in folder.iterdir()) if folder.is_dir() else []
    return f"there is no {path!r}; in {str(folder)!r}: {nearest(part, beside)}"


def _first_missing(path: Path) -> Path:
    lineage = [path, *path.parents]
    return next((low for low, high in pairwise(lineage) if high.exists()), path)


def photograph(path: Path, name: str, label: str | None = None) -> Photograph:
    """A photograph that reads its file when asked."""
    return Photograph(name, partial(read_bytes, path), label)


def read_bytes(path: Path) -> bytes:
    """The content of a file. Raises :class:`DataError` naming the file and the reason."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
