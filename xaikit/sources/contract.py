"""What a source of models and a source of pictures hand over."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from xaikit.errors import DataError
from xaikit.sources.transform import Transform

if TYPE_CHECKING:
    from torch import nn

Kind = Literal["picture", "series", "volume", "video"]


@dataclass(frozen=True)
class OpenedModel:
    """A model and what its source knows about it.

    module     the model
    transform  how its pictures are prepared; None where the source does not know (the config's ``data.transform`` then
    must)
    classes    the name of each output, in order; None where unknown
    wnids      the WordNet id of each output, in order; None where the outputs are no ImageNet classes
    origin     where the weights came from, for the manifest
    usual      how pictures of the architecture's published weights are prepared, where these weights are other ones: what an
    error offers whose model has no ``transform``
    """

    module: nn.Module
    transform: Transform | None = None
    classes: tuple[str, ...] | None = None
    wnids: tuple[str, ...] | None = None
    origin: str = ""
    usual: Transform | None = None


Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in pixels, x1 and y1 just outside."""

Polygon = tuple[tuple[float, float], ...]
"""The corners x, y of an outline, in pixels; the last one is joined to the first."""


@dataclass(frozen=True)
class FileAnnotation:
    """Where the objects of a photograph are, in pixels of its upright file.

    boxes   one an object
    labels  of each box its class as the data states it, as that of a photograph; None where it is of any class
    mask    the bytes of a picture of the same size, not 0 where an object is; None where the data has boxes alone
    outlines  of each box the outlines of the parts of its object; () of one of which the box alone is stated
    """

    boxes: tuple[Box, ...] = ()
    labels: tuple[str | int | None, ...] = ()
    mask: Callable[[], bytes] | None = None
    outlines: tuple[tuple[Polygon, ...], ...] = ()

    def digest(self) -> str:
        """The SHA-256 of what it states; a mask that cannot be read is one more thing that it may state."""
        stated = hashlib.sha256(repr((self.boxes, self.labels, *filter(any, [self.outlines]))).encode())
        if self.mask is not None:
            try:
                stated.update(self.mask())
            except (DataError, OSError) as error:
                stated.update(str(error).encode())
        return stated.hexdigest()


@dataclass(frozen=True)
class Photograph:
    """One picture to explain, not read yet; or a series, a volume or a video.

    name    what a person calls it: the path as given, or the name of a sample
    read    its bytes
    label   its class as the data states it (a name, a wnid or an index), None where there is none
    kind    what it is
    decode  of what is no picture, its bytes to numbers, float32 (channels, *S): one axis S of a series, three of a volume
            (slices, rows, columns) or of a video (frames, rows, columns; in [0, 1]); a tuple or mapping of such where a model
            takes several inputs. Raises :class:`DataError`
    annotation  where its objects are, where the data states it: no map depends on it, but what is measured of maps
    """

    name: str
    read: Callable[[], bytes]
    label: str | int | None = None
    kind: Kind = "picture"
    decode: Callable[[bytes], Any] | None = None
    annotation: FileAnnotation | None = None

    def digest(self) -> str:
        """The SHA-256 of the bytes: the identity of the picture, wherever it lies."""
        return hashlib.sha256(self.read()).hexdigest()


class ModelSource(Protocol):
    """The class behind a plugin of ``xaikit.models``: a frozen dataclass whose fields are its options."""

    def open(self) -> OpenedModel:
        """Build the model on the CPU with its weights. Raises ConfigError for an unknown name or missing weights."""


class DataSource(Protocol):
    """The class behind a plugin of ``xaikit.data``: a frozen dataclass whose fields are its options."""

    def photographs(self) -> Sequence[Photograph]:
        """The pictures in a stable order. Raises :class:`DataError` where a path does not exist or nothing is found."""
