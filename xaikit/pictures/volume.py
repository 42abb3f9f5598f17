"""Volumes and videos on one picture: some of their slices or frames, in rows."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

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


def montage(slices: Sequence[Image.Image]) -> Image.Image:
    """Those slices in rows, on white."""
    shown = [slices[place] for place in places(len(slices))]
    wide, high = shown[0].size
    rows = -(-len(shown) // ROW)
    picture = Image.new("RGB", (wide * min(len(shown), ROW), high * rows), "white")
    for place, each in enumerate(shown):
        picture.paste(each, (place % ROW * wide, place // ROW * high))
    return picture


def montage_map(saliency: Tensor, space: tuple[int, int, int], picture: Image.Image) -> Tensor:
    """A map (D, H, W) of a volume as it lies on its montage, (height, width); where no slice is, 0.

    Args:
        space: of the volume: slices, rows, columns.
        picture: the montage.
    """
    shown = places(space[0])
    rows, columns = -(-len(shown) // ROW), min(len(shown), ROW)
    high, wide = picture.height // rows, picture.width // columns
    slices = of_size(saliency, (space[0], high, wide))[shown]
    laid = torch.zeros(rows * high, columns * wide, dtype=slices.dtype)
    for place, each in enumerate(slices):
        top, left = place // ROW * high, place % ROW * wide
        laid[top : top + high, left : left + wide] = each
    return laid


def of_size(saliency: Tensor, size: tuple[int, int, int]) -> Tensor:
    """A map (D, H, W) of that size, in float64."""
    values = saliency.detach().cpu().double()
    if tuple(values.shape) == size:
        return values
    return interpolate(values[None, None], size, mode="trilinear", align_corners=False)[0, 0]


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
