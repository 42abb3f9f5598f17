"""All pictures of a folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xaikit import hookimpl
from xaikit.sources import Photograph

from xaikit_sources import _pictures


@dataclass(frozen=True)
class Folder:
    """The pictures of a folder in natural order.

    path       the folder
    recursive  those of the folders below, too
    """

    path: str
    recursive: bool = True

    def photographs(self) -> Sequence[Photograph]:
        """Raises DataError where there is no such folder, or no picture in it."""
        paths = _pictures.in_folder(_pictures.existing_folder(self.path), self.recursive)
        return _pictures.found(_pictures.photographs(paths), self.path)


@hookimpl
def xaikit_data() -> type:
    return Folder
