"""Smooth a map: a Gaussian, for maps of the input whose single pixels say little."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from xaikit import hookimpl
from xaikit.ops import blurred


@dataclass(frozen=True)
class Smooth:
    """The map under a Gaussian, edges repeated.

    sigma       its deviation, as a share of each side, above 0
    max_stride  only taps with at most this many input pixels a cell; none: all taps
    """

    sigma: float = 0.02
    max_stride: float | None = None

    def __post_init__(self) -> None:
        if not (self.sigma > 0 and math.isfinite(self.sigma)):
            raise ValueError(f"sigma: expected a number above 0, got {self.sigma}")

    def scale(self, saliency: Tensor, stride: float) -> Tensor:
        """(N, T, *S) of a tap with that stride."""
        if self.max_stride is not None and stride > self.max_stride:
            return saliency
        return blurred(saliency, self.sigma)


@hookimpl
def xaikit_scaler() -> type:
    return Smooth
