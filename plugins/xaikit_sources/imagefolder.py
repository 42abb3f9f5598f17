"""A folder of one folder a class, whose name is the label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from xaikit import DataError, Located, hookimpl
from xaikit.sources import Photograph
from xaikit_sources._annotations import Annotations, annotated, unmasked
from xaikit_sources._paths import folder_at, photograph, pictures_in


@dataclass(frozen=True)
class ImageFolder:
    """``path/label/.../picture.jpg``, in natural order; pictures that lie beside the class folders are passed over.

    The label is the folder's name, a class name or a WordNet id, never the folder's place in the alphabet: that is
    another numbering than the model's.

    path         the folder of the class folders
    annotations  where objects are: a .csv of boxes, COCO's .json, or a folder of VOC's .xml or of masks (.png)
    """

    path: Annotated[str, Located()]
    annotations: Annotations = None

    def photographs(self) -> Sequence[Photograph]:
        """The pictures with their labels. Raises DataError where the folder does not exist or no class folder has any."""
        root = folder_at(self.path, "data imagefolder")
        pictures = unmasked(pictures_in(root, recursive=True), self.annotations)
        paths = [path for path in pictures if path.parent != root]
        if not paths:
            raise DataError(
                f"data imagefolder: expected class folders with pictures in {self.path!r}, found none; "
                "for pictures without labels there is 'source: folder'"
            )
        return annotated([photograph(path, str(path), _label(root, path)) for path in paths], paths, self.annotations)


def _label(root: Path, path: Path) -> str:
    return path.relative_to(root).parts[0]


@hookimpl
def xaikit_data() -> type:
    return ImageFolder
