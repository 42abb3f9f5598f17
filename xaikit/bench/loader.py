"""Photographs to what the model receives, read ahead while a batch is computed."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from PIL import Image

from xaikit.bench.annotations import framed_annotation
from xaikit.bench.decode import decode
from xaikit.bench.transforms import AXES, Framed, OwnTransform, Prepare, framed
from xaikit.errors import DataError
from xaikit.passes.nests import first_tensor, varied
from xaikit.schema.classes import Classes
from xaikit.schema.data import MAX_PIXELS
from xaikit.sources import Photograph, Transform
from xaikit.sources.framed import Annotation

AHEAD = 2
"""Batches that are read before they are needed."""


@dataclass(frozen=True)
class Picture:
    """One photograph, ready: ``rgb`` is the picture in the model's frame, ``pixels`` (channels, H, W) its input, or several of
    them as a tuple or mapping.

    label       the class that the data states; None where there is none that the model knows
    unlabelled  why there is none, where a target asks for it, else ""
    whole       all of the photograph at the size at which the model's frame was cut out of it, where overlays are drawn over it
    frames      of a video, all of them as they are shown, one below the other
    window      size of the file and where in it the model looked, see :class:`xaikit.bench.transforms.Framed`
    annotation  where its objects are in that frame, where the data states it
    """

    photograph: Photograph
    digest: str
    rgb: Image.Image
    pixels: Any
    label: int | None = None
    unlabelled: str = ""
    whole: Image.Image | None = None
    frames: Image.Image | None = None
    window: tuple[float, ...] | None = None
    annotation: Annotation | None = None


@dataclass(frozen=True)
class UnreadablePicture:
    """A photograph that could not be read, and why."""

    photograph: Photograph
    digest: str
    error: str


@dataclass(frozen=True)
class Loader:
    """What reading needs to know.

    classes     what the model's outputs are called, to match labels by
    labelled    whether some target asks for the class that the data states
    workers     threads that read ahead; 0 reads when it is needed
    whole       whether somebody wants to see more of a photograph than the model's frame
    max_pixels  of a picture
    """

    transform: Prepare
    classes: Classes = field(default_factory=Classes)
    labelled: bool = False
    workers: int = 0
    whole: bool = False
    max_pixels: int = MAX_PIXELS

    def batches(self, batches: Iterable[Sequence[Photograph]]) -> Iterator[list[Picture | UnreadablePicture]]:
        """Photographs ready for the model, a batch at a time, in order."""
        if not self.workers:
            yield from ([self.read(photograph) for photograph in batch] for batch in batches)
            return
        ahead: deque[list[Future[Picture | UnreadablePicture]]] = deque()
        with ThreadPoolExecutor(self.workers, "xaikit") as pool:
            try:
                for batch in batches:
                    ahead.append([pool.submit(self.read, photograph) for photograph in batch])
                    if len(ahead) > AHEAD:
                        yield [future.result() for future in ahead.popleft()]
                while ahead:
                    yield [future.result() for future in ahead.popleft()]
            finally:
                pool.shutdown(wait=False, cancel_futures=True)  # who goes away needs none of the others

    def read(self, photograph: Photograph) -> Picture | UnreadablePicture:
        """Read one photograph; what is wrong with it is returned, so that it stops no other."""
        digest = ""
        try:
            data = photograph.read()
            digest = hashlib.sha256(data).hexdigest()
            ready = self._framed(photograph, data)
            label = self.label(photograph)
            shown = (ready.whole, ready.frames)
            space = tuple(first_tensor(ready.pixels).shape[1:])
            stated = framed_annotation(photograph, ready.window, space, self.classes)
            return Picture(photograph, digest, ready.shown, ready.pixels, *label, *shown, ready.window, stated)
        except (DataError, OSError) as error:
            return UnreadablePicture(photograph, digest, str(error))
        except Exception as error:  # memory and numbers run out over one picture, and the next is fine
            return UnreadablePicture(photograph, digest, f"{photograph.name}: {type(error).__name__}: {error}")

    def _framed(self, photograph: Photograph, data: bytes) -> Framed:
        if photograph.decode is not None:
            sample = photograph.decode(data)
            leading = first_tensor(sample)
            if leading.dim() != 1 + AXES[photograph.kind]:
                raise DataError(
                    f"{photograph.name}: expected a {photograph.kind}, (channels, *S) with {AXES[photograph.kind]} axes S, got "
                    f"{tuple(leading.shape)}"
                )
            ready = framed(self.transform, leading, photograph.kind)
            return replace(ready, pixels=varied(sample, ready.pixels))
        channels = self.transform.channels if isinstance(self.transform, Transform | OwnTransform) else 3
        return framed(
            self.transform, decode(data, photograph.name, channels, self.max_pixels), photograph.kind, self.whole
        )

    def label(self, photograph: Photograph) -> tuple[int | None, str]:
        """The class that the data states for a photograph; or why there is none, where a target asks for it."""
        if photograph.label is None:
            return None, ""
        try:
            return self.classes.index(photograph.label, photograph.name), ""
        except DataError as error:
            return None, str(error) if self.labelled else ""
