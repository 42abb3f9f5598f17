"""All pictures of a folder, and of the folders in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from xaikit import DataError, Located, hookimpl
from xaikit.sources import Photograph
from xaikit_sources._annotations import Annotations, annotated, unmasked
from xaikit_sources._paths import folder_at, photograph, pictures_in


@dataclass(frozen=True)
class Folder:
    """The files with a picture's suffix, in natural order (2.jpg before 10.jpg); hidden ones are passed over.

    path         the folder
    recursive    also the folders in it, but that of the annotations
    annotations  where objects are: a .csv of boxes, COCO's .json, or a folder of VOC's .xml or of masks (.png)
    """

    path: Annotated[str, Located()]
    recursive: bool = True
    annotations: Annotations = None

    def photographs(self) -> Sequence[Photograph]:
        """The pictures. Raises DataError where the folder does not exist or holds none."""
        paths = unmasked(pictures_in(folder_at(self.path, "data folder"), self.recursive), self.annotations)
        if not paths:
            deep = "" if self.recursive else " itself (recursive: true looks into the folders in it)"
            raise DataError(f"data folder: expected pictures, found none in {self.path!r}{deep}")
        return annotated([photograph(path, str(path)) for path in paths], paths, self.annotations)


@hookimpl
def xaikit_data() -> type:
    return Folder
