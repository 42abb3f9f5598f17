"""Lift weak evidence: tanh(gamma x), LayerCAM's scaling of shallow layers (Jiang et al. 2021, Eq. 9)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from xaikit import hookimpl


@dataclass(frozen=True)
class Tanh:
    """tanh(gamma x) of the normalized map; after ``normalize: max`` this is the paper's Eq. 9, after ``minmax``
    TorchCAM's.

    gamma       strength, above 0; the paper's 2 maps the peak to 0.96
    max_stride  only taps with at most this many input pixels a cell; none: all taps
    """

    gamma: float = 2.0
    max_stride: float | None = None

    def __post_init__(self) -> None:
        if not (self.gamma > 0 and math.isfinite(self.gamma)):
            raise ValueError(f"gamma: expected a number above 0, got {self.gamma}")

    def scale(self, saliency: Tensor, stride: float) -> Tensor:
        """(N, T, *S) of a tap with that stride."""
        if self.max_stride is not None and stride > self.max_stride:
            return saliency
        return (self.gamma * saliency).tanh()


@hookimpl
def xaikit_scaler() -> type:
    return Tanh
