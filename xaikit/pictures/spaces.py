"""A map over what it is of, whatever that has for axes: a series, a picture, a volume."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PIL import Image

from xaikit.pictures.marks import PictureMark
from xaikit.pictures.overlay import Floats, overlay
from xaikit.pictures.signal import overlay_signal
from xaikit.pictures.volume import apart, montage_map

DRAWN = (1, 2, 3)
"""Axes of what can be drawn."""


def overlay_of(
    picture: Image.Image,
    saliency: Floats,
    space: tuple[int, ...],
    alpha: float = 0.5,
    *,
    background: Image.Image | None = None,
    marks: Sequence[PictureMark] = (),
    **style: Any,
) -> Image.Image:
    """The map over the picture of a series, a photograph or a volume.

    Args:
        picture: what is shown of the sample: see :mod:`xaikit.pictures.signal` and :mod:`xaikit.pictures.volume`.
        saliency: a finished map, with as many axes as the space of the model's input.
        space: of that input.
        alpha, background, marks, style: as of :func:`xaikit.pictures.overlay.overlay`.
    """
    if len(space) == 1:
        return overlay_signal(picture, saliency, **style)
    if len(space) == 3:
        return overlay(picture, montage_map(saliency, space[0], picture), alpha, **style)
    return overlay(picture, saliency, alpha, background=background, marks=marks, **style)


def frames_of_map(frames: Image.Image, saliency: Floats, alpha: float = 0.5, **style: Any) -> list[Image.Image]:
    """A map (F, H, W) over every frame of a video.

    Args:
        frames: of the video, one below the other.
        alpha, style: as of :func:`xaikit.pictures.overlay.overlay`.
    """
    shown = apart(frames, len(saliency))
    return [overlay(frame, each, alpha, **style) for frame, each in zip(shown, saliency, strict=True)]
