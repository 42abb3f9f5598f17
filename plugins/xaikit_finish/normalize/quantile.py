"""Divide by a large magnitude in place of the largest: for maps of the input, of which a few pixels tower above all others."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from xaikit import hookimpl


@dataclass(frozen=True)
class Quantile:
    """x / q cut off at -1 and 1, where q is the magnitude that a share of the places do not exceed, each map alone.

    The authors of SmoothGrad show gradients so (Smilkov et al. 2017, arXiv:1706.03825, section 2). A map of which more places are
    zero than that share is divided by its largest magnitude.

    share  of the places, above 0 and at most 1
    """

    share: float = 0.99

    signed: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError(f"share: expected above 0 and at most 1, got {self.share}")

    def normalize(self, saliency: Tensor, space: tuple[int, ...]) -> Tensor:
        """(N, T, *S), ``space`` the dimensions of one map."""
        size = saliency.abs()
        flat = size.flatten(space[0])
        peak = flat.kthvalue(math.ceil(self.share * flat.shape[-1]), -1).values.reshape(
            *flat.shape[:-1], *[1] * len(space)
        )
        peak = peak.where(peak != 0, size.amax(space, keepdim=True))
        return (saliency / peak.where(peak != 0, 1)).clamp(-1, 1)


@hookimpl
def xaikit_normalizer() -> type:
    return Quantile
