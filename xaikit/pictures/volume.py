"""Volumes and videos on one picture: some of their slices or frames, in rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from xaikit.pictures.overlay import Floats, resized

MOST, ROW = 8, 4
"""Slices that are shown, and of these in a row."""


def places(count: int) -> list[int]:
    """Which of so many slices are shown: all of a few, else the middles of as many equal parts.

    >>> places(3), places(16)
    ([0, 1, 2], [1, 3, 5, 7, 9, 11, 13, 15])
    """
    if count <= MOST:
        return list(range(count))
    return [int((place + 0.5) * count / MOST) for place in range(MOST)]


def _corners(count: int) -> tuple[int, int, list[tuple[int, int]]]:
    """Rows and columns of a montage of so many slices, and the row and column of each that is shown."""
    shown = len(places(count))
    return -(-shown // ROW), min(shown, ROW), [divmod(place, ROW) for place in range(shown)]


def montage(slices: Sequence[Image.Image]) -> Image.Image:
    """Those slices in rows, on white."""
    rows, columns, corners = _corners(len(slices))
    wide, high = slices[0].size
    picture = Image.new("RGB", (wide * columns, high * rows), "white")
    for place, (row, column) in zip(places(len(slices)), corners, strict=True):
        picture.paste(slices[place], (column * wide, row * high))
    return picture


def montage_map(saliency: Floats, count: int, picture: Image.Image) -> Floats:
    """A map (D, H, W) of a volume as it lies on its montage, (height, width); where no slice is, 0.

    Args:
        count: slices of the volume.
        picture: the montage.
    """
    rows, columns, corners = _corners(count)
    high, wide = picture.height // rows, picture.width // columns
    slices = resized(saliency, (count, high, wide))
    laid = np.zeros((picture.height, picture.width), slices.dtype)
    for place, (row, column) in zip(places(count), corners, strict=True):
        laid[row * high : (row + 1) * high, column * wide : (column + 1) * wide] = slices[place]
    return laid


def below(frames: Sequence[Image.Image]) -> Image.Image:
    """All of them, one below the other."""
    wide, high = frames[0].size
    picture = Image.new("RGB", (wide, high * len(frames)))
    for place, each in enumerate(frames):
        picture.paste(each, (0, place * high))
    return picture


def apart(picture: Image.Image, count: int) -> list[Image.Image]:
    """The frames of :func:`below`."""
    high = picture.height // count
    return [picture.crop((0, place * high, picture.width, (place + 1) * high)) for place in range(count)]
