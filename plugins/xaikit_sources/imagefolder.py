"""A folder with a folder for every class: the folder's name is the label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xaikit import hookimpl
from xaikit.sources import Photograph

from xaikit_sources import _pictures


@dataclass(frozen=True)
class ImageFolder:
    """path/<class>/<picture>; the class is matched to the model's by name or WordNet id, or is an index.

    path  the folder of folders
    """

    path: str

    def photographs(self) -> Sequence[Photograph]:
        """Raises DataError where there is no such folder, or no picture in its folders."""
        root = _pictures.existing_folder(self.path)
        paths = [path for path in _pictures.in_folder(root, recursive=True) if path.parent != root]
        labels = [path.relative_to(root).parts[0] for path in paths]
        return _pictures.found(_pictures.photographs(paths, labels), f"the folders of {self.path}")


@hookimpl
def xaikit_data() -> type:
    return ImageFolder
