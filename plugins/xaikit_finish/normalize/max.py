"""Divide by the largest magnitude: the sign and an even map stay what they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from xaikit import hookimpl


@dataclass(frozen=True)
class Max:
    """x / max|x|, each map alone: [0, 1] for rectified maps, [-1, 1] for signed ones; a zero map stays zero."""

    signed: ClassVar[bool] = True

    def normalize(self, saliency: Tensor, space: tuple[int, ...]) -> Tensor:
        """(N, T, *S), ``space`` the dimensions of one map."""
        peak = saliency.abs().amax(space, keepdim=True)
        return saliency / peak.where(peak != 0, 1)


@hookimpl
def xaikit_normalizer() -> type:
    return Max
