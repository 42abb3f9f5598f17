"""Picture files: one path, a list of paths, or a glob."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from xaikit import DataError, Located, hookimpl
from xaikit.sources import Photograph
from xaikit_sources._annotations import Annotations, annotated
from xaikit_sources._paths import missing, photograph, pictures


@dataclass(frozen=True)
class Files:
    """Files in the order given, those of a glob in natural order (2.jpg before 10.jpg); a file that is named twice counts once.

    path         a path, a glob (``**`` crosses folders; only files with a picture's suffix are taken), or a list of both
    annotations  where objects are: a .csv of boxes, COCO's .json, or a folder of VOC's .xml or of masks (.png)
    """

    path: Annotated[str | list[str], Located()]
    annotations: Annotations = None

    def photographs(self) -> Sequence[Photograph]:
        """The files. Raises DataError where one does not exist, is a folder, or a glob finds no picture."""
        given = [self.path] if isinstance(self.path, str) else self.path
        if not given:
            raise DataError("data files: path: expected at least one path, got an empty list")
        names = dict.fromkeys(str(path) for pattern in given for path in _matches(pattern))
        files = [Path(name).expanduser() for name in names]
        photographs = [photograph(file, name) for file, name in zip(files, names, strict=True)]
        return annotated(photographs, files, self.annotations)


def _matches(pattern: str) -> list[Path]:
    path = Path(pattern).expanduser()
    if path.is_dir():
        raise DataError(
            f"data files: expected a file, got the folder {pattern!r}; for folders there is 'source: folder'"
        )
    if path.is_file():
        return [Path(pattern)]
    if not glob.has_magic(pattern):
        raise DataError(f"data files: {missing(pattern)}")
    paths = pictures(Path(match) for match in glob.glob(str(path), recursive=True))
    if not paths:
        raise DataError(f"data files: no picture matches {pattern!r} (from {str(Path.cwd())!r})")
    return paths


@hookimpl
def xaikit_data() -> type:
    return Files
