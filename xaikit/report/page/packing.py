"""Maps as bytes that a browser reads: 8 bits a cell at their native size, equal maps once."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_CELLS = 64
"""Along one axis; larger maps are averaged over equal parts of it."""

STEPS = 254
NOT_FINITE = 255
"""The byte of what is NaN or infinite."""

Entry = list[Any]
"""Where a map lies: layer, offset, height, width, low, high, slices, and the shape it was averaged from (None where it was not).
A byte q stands for low + q / 254 (high - low); low is 0, or -high where the map is signed, so that 0 is exact."""


class Packer:
    """Packs maps one behind the other."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._offsets: dict[bytes, int] = {}
        self._size = 0

    def add(self, layer: str, saliency: NDArray[Any], signed: bool) -> Entry:
        """Pack a map of 1 to 3 axes.

        Args:
            signed: whether maps of its kind may be negative; one that is negative somewhere is signed in any case.
        """
        averaged = averaged_to(saliency, MOST_CELLS)
        low, high = _range(averaged, signed)
        packed = quantized(averaged, low, high).tobytes()
        if packed not in self._offsets:
            self._offsets[packed] = self._size
            self._parts.append(packed)
            self._size += len(packed)
        slices, height, width = (1, 1, 1, *averaged.shape)[-3:]
        whole = list(saliency.shape) if averaged.shape != saliency.shape else None
        return [layer, self._offsets[packed], height, width, low, high, slices, whole]

    def packed(self) -> str:
        """All bytes, deflated (zlib), in base64."""
        return base64.b64encode(zlib.compress(b"".join(self._parts), 6)).decode()


def quantized(saliency: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """The bytes of a map, see :data:`Entry`.

    >>> quantized(np.array([-1.0, 0.0, 1.0, np.nan]), -1.0, 1.0).tolist()
    [0, 127, 254, 255]
    """
    finite = np.isfinite(saliency)
    shares = (np.where(finite, saliency, low) - low) / ((high - low) or 1.0)
    steps: NDArray[np.uint8] = np.where(finite, np.rint(STEPS * shares.clip(0, 1)), NOT_FINITE).astype(np.uint8)
    return steps


def averaged_to(saliency: NDArray[Any], most: int) -> NDArray[Any]:
    """A map with at most so many cells along each axis, each the mean of what it covers."""
    for axis, count in enumerate(saliency.shape):
        if count > most:
            saliency = np.moveaxis(np.tensordot(_shares(count, most), saliency, (1, axis)), 0, axis)
    return saliency


def _shares(count: int, parts: int) -> NDArray[Any]:
    """(parts, count): how much of each part a cell makes up; rows sum to 1."""
    ends = np.arange(parts + 1)[:, None] * (count / parts)
    covered = np.clip(ends - np.arange(count), 0, 1)
    shares: NDArray[Any] = np.diff(covered, axis=0) * (parts / count)
    return shares


def _range(saliency: NDArray[Any], signed: bool) -> tuple[float, float]:
    """Rounded, as the page writes it: in six digits, up."""
    values = saliency[np.isfinite(saliency)]
    high = float(np.abs(values).max(initial=0))
    signed = signed or float(values.min(initial=0)) < 0
    high = _rounded_up(high)
    return (-high if signed else 0.0), high


def _rounded_up(value: float) -> float:
    rounded = float(f"{value:.6g}")
    return rounded if rounded >= value else float(f"{value * (1 + 5e-7):.6g}")
