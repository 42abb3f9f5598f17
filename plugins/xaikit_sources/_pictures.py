"""Picture files in folders."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from PIL import Image
from xaikit import DataError, nearest
from xaikit.sources import Photograph


def suffixes() -> frozenset[str]:
    """The endings of files that Pillow can read."""
    Image.init()
    return frozenset(ending for ending, kind in Image.registered_extensions().items() if kind in Image.OPEN)


def existing_folder(path: str) -> Path:
    """The folder. Raises DataError where it is none, with the likeliest beside it."""
    folder = Path(path).expanduser()
    if folder.is_dir():
        return folder
    if folder.is_file():
        raise DataError(f"data.path: expected a folder, got the file {path}; use source: files")
    raise DataError(f"data.path: there is no folder {path}; {nearest(path, beside(folder))}")


def beside(path: Path) -> list[str]:
    """What lies next to a path that does not exist."""
    return [str(other) for other in path.parent.iterdir()] if path.parent.is_dir() else []


def in_folder(folder: Path, recursive: bool) -> list[Path]:
    """The picture files of a folder in natural order; hidden ones are left out."""
    known = suffixes()
    found = folder.rglob("*") if recursive else folder.iterdir()
    kept = [path for path in found if path.suffix.lower() in known and path.is_file() and not _hidden(path, folder)]
    return sorted(kept, key=lambda path: _natural(str(path)))


def _hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def _natural(text: str) -> list[tuple[int, str]]:
    """Order in which picture2 comes before picture10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text) if part]


def photographs(paths: Iterable[Path], labels: Sequence[str | int | None] | None = None) -> list[Photograph]:
    """Files as photographs, called by their paths."""
    listed = list(paths)
    known = [None] * len(listed) if labels is None else labels
    return [Photograph(str(path), path.read_bytes, label) for path, label in zip(listed, known, strict=True)]


def found(listed: list[Photograph], where: str) -> list[Photograph]:
    """The same list. Raises DataError where it is empty."""
    if not listed:
        raise DataError(f"data.path: no pictures in {where}")
    return listed
