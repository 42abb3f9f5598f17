"""What of a map lies on its picture: a crop that was larger than the picture, or padding, reaches beyond."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from torch import Tensor

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in pixels of the picture."""


def inside(saliency: Tensor, box: Sequence[float], size: Sequence[float]) -> tuple[Tensor, Box]:
    """The places of a map whose middles lie on a picture, and the box that they cover.

    Args:
        saliency: (H, W).
        box: what all of it covers, beyond the picture's edges in parts.
        size: width and height of the picture.

    >>> import torch
    >>> part, box = inside(torch.rand(4, 4), (0.0, -100.0, 200.0, 100.0), (200, 100))
    >>> tuple(part.shape), box
    ((2, 4), (0.0, 0.0, 200.0, 100.0))
    """
    left, top, right, bottom = box
    height, width = saliency.shape
    x, y = (right - left) / width, (bottom - top) / height
    (x0, x1), (y0, y1) = _span(left, x, width, size[0]), _span(top, y, height, size[1])
    return saliency[y0:y1, x0:x1], (left + x0 * x, top + y0 * y, left + x1 * x, top + y1 * y)


def _span(start: float, step: float, places: int, side: float) -> tuple[int, int]:
    """The first place whose middle is at 0 or behind, and the first whose middle is at the side's end or behind."""
    first, last = (min(max(ceil((edge - start) / step - 0.5), 0), places) for edge in (0, side))
    return first, last
