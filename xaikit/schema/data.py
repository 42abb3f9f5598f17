"""What a config says of its data: where they come from, and how they are prepared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from xaikit.plain.options import Located
from xaikit.registry.modules import lies_at
from xaikit.schema.class_files import IMAGENET
from xaikit.schema.keys import FIXED, INLINE, Section, Use
from xaikit.schema.scalars import Deviations, Means, Side, Sides

MAX_PIXELS = 89_478_485
"""Pillow's own limit against files that are small and pictures that are huge."""


@dataclass(frozen=True)
class TransformConfig(Section):
    """How pictures are prepared; None is what the model's source says. Pixels, and units of [0, 1].

    use            imagenet, what most of its classifiers are given; or a function of your own, ``./mine.py:transform`` or
                   ``package.module:transform``, from the picture (of series, volumes and videos the numbers, (channels, *S)) to
                   what the model receives, (channels, *S)
    channels       of the model's input, as many as mean and std have: 1 for grey, 3 for colours, more for bands (TIFF, .npy)
    size           shorter side, or all sides to reach exactly
    crop           side, or sides, of the middle that is cut out
    fit            crop; squash: the whole picture is brought to ``crop``, whatever its aspect; or pad: it is as large as fits
                   into ``crop``, with black at two sides
    interpolation  of the resize
    """

    brief = True
    use: Annotated[str | None, Located(lies_at)] = None
    channels: Annotated[int, Field(ge=1)] | None = None
    size: Side | Sides | None = None
    crop: Side | Sides | None = None
    fit: Literal["crop", "squash", "pad"] | None = None
    interpolation: Literal["bilinear", "bicubic", "nearest"] | None = None
    mean: Means | None = None
    std: Deviations | None = None

    def __post_init__(self) -> None:
        if self.use is None or self.use == IMAGENET:
            return
        place, _, name = self.use.rpartition(":")
        if not (place and name.isidentifier()):
            raise ValueError(f"use: expected {IMAGENET} or a function such as ./mine.py:transform, got {self.use!r}")
        others = [name for name, value in self.plain().items() if name not in ("use", "channels") and value is not None]
        if others:
            raise ValueError(f"{others[0]}: expected nothing beside a function, which says all of it, but channels")


@dataclass(frozen=True)
class DataConfig(Section):
    """Where the pictures come from, and how many go through the model at once.

    max_pixels  of a picture; a JPEG of more is decoded at half, a quarter or an eighth of its sides, any other is refused
    """

    source: Annotated[Use, INLINE]
    max_pixels: Annotated[int, Field(ge=1)] = MAX_PIXELS
    batch_size: Annotated[int, Field(ge=1), FIXED] = 8
    workers: Annotated[int, Field(ge=0), FIXED] = 0
    transform: TransformConfig | None = None
