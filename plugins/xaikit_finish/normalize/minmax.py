"""Stretch between minimum and maximum, as TorchCAM and pytorch-grad-cam do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from xaikit import hookimpl


@dataclass(frozen=True)
class MinMax:
    """(x - min) / (max - min), each map alone, in [0, 1]; an even map, however important, becomes zero."""

    signed: ClassVar[bool] = False

    def normalize(self, saliency: Tensor, space: tuple[int, ...]) -> Tensor:
        """(N, T, *S), ``space`` the dimensions of one map."""
        low = saliency.amin(space, keepdim=True)
        span = saliency.amax(space, keepdim=True) - low
        return (saliency - low) / span.where(span != 0, 1)


@hookimpl
def xaikit_normalizer() -> type:
    return MinMax
