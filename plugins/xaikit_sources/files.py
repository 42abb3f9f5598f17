"""A picture file, a list of them, or a glob."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from xaikit import DataError, hookimpl, nearest
from xaikit.sources import Photograph

from xaikit_sources import _pictures


@dataclass(frozen=True)
class Files:
    """Files in the order given; those of a glob in natural order.

    path  a file, a glob (``photos/*.jpg``, ``**`` for folders below), or a list of either
    """

    path: str | tuple[str, ...]

    def photographs(self) -> Sequence[Photograph]:
        """Raises DataError for a file that does not exist, or a glob that finds nothing."""
        wanted = [self.path] if isinstance(self.path, str) else self.path
        paths = [path for pattern in wanted for path in _paths(pattern)]
        return _pictures.found(_pictures.photographs(dict.fromkeys(paths)), ", ".join(wanted) or "an empty list")


def _paths(pattern: str) -> list[Path]:
    path = Path(pattern).expanduser()
    if path.is_file():
        return [path]
    if path.is_dir():
        raise DataError(f"data.path: expected a file, got the folder {pattern}; use source: folder")
    if not glob.has_magic(pattern):
        raise DataError(f"data.path: there is no file {pattern}; {nearest(pattern, _pictures.beside(path))}")
    known = _pictures.suffixes()
    found = [Path(name) for name in sorted(glob.glob(str(path), recursive=True))]
    kept = [name for name in found if name.suffix.lower() in known]
    if not kept:
        raise DataError(f"data.path: no picture matches {pattern}")
    return kept


@hookimpl
def xaikit_data() -> type:
    return Files
