"""Photographs to what the model receives, read ahead while a batch is computed."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from PIL import Image
from torch import Tensor

from xaikit.bench.bands import preview
from xaikit.bench.decode import decode
from xaikit.bench.labels import match_label
from xaikit.errors import DataError
from xaikit.sources import Photograph, Transform

AHEAD = 2
"""Batches that are read before they are needed."""


@dataclass(frozen=True)
class Picture:
    """One photograph, ready: ``rgb`` is the picture in the model's frame, ``pixels`` (channels, H, W) its input.

    whole       all of the photograph at the size at which the model's frame was cut out of it, where overlays are drawn over it
    label       the class that the data states, where a target asks for it
    unlabelled  why there is none, "" where there is one or nobody asks
    """

    photograph: Photograph
    digest: str
    rgb: Image.Image
    pixels: Tensor
    label: int | None = None
    unlabelled: str = ""
    whole: Image.Image | None = None


@dataclass(frozen=True)
class UnreadablePicture:
    """A photograph that could not be read, and why."""

    photograph: Photograph
    digest: str
    error: str


@dataclass(frozen=True)
class Loader:
    """What reading needs to know.

    classes, wnids  of the model's outputs, to match labels by
    labelled        whether some target asks for the class that the data states
    workers         threads that read ahead; 0 reads when it is needed
    whole           whether somebody wants to see more of a photograph than the model's frame
    """

    transform: Transform
    classes: tuple[str, ...] | None = None
    wnids: tuple[str, ...] | None = None
    labelled: bool = False
    workers: int = 0
    whole: bool = False

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
            decoded = decode(data, photograph.name, self.transform.channels)
            rgb, pixels = self._framed(decoded)
            whole = self.transform.whole(decoded) if self.whole and isinstance(decoded, Image.Image) else None
            return Picture(photograph, digest, rgb, pixels, *self.label(photograph), whole)
        except (DataError, OSError) as error:
            return UnreadablePicture(photograph, digest, str(error))
        except Exception as error:  # memory and numbers run out over one picture, and the next is fine
            return UnreadablePicture(photograph, digest, f"{photograph.name}: {type(error).__name__}: {error}")

    def _framed(self, picture: Image.Image | Tensor) -> tuple[Image.Image, Tensor]:
        """What people see of a picture in the model's frame, and what the model receives."""
        if isinstance(picture, Tensor):
            bands = self.transform.bands(picture)
            return preview(bands), self.transform.tensor(bands)
        framed = self.transform.picture(picture)
        return framed.convert("RGB"), self.transform.tensor(framed)

    def label(self, photograph: Photograph) -> tuple[int | None, str]:
        """The class that the data states for a photograph, or why there is none."""
        if photograph.label is None or not self.labelled:
            return None, ""
        try:
            return match_label(photograph.label, self.classes, self.wnids, photograph.name), ""
        except DataError as error:
            return None, str(error)
