"""Finishers of somebody else, named in a config by their path: ``helpers.finishers:Strides``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor


@dataclass(frozen=True)
class Strides:
    """A map that says everywhere which stride it was given."""

    times: float = 1.0

    def scale(self, saliency: Tensor, stride: float) -> Tensor:
        return torch.full_like(saliency, self.times * stride)


@dataclass(frozen=True)
class Digits:
    """Two layers in one number: the first, and a thousand times the second."""

    renormalize: ClassVar[bool] = False

    def fuse(self, stack: Tensor) -> Tensor:
        first, second = stack
        return first + 1000 * second


@dataclass(frozen=True)
class Faulty:
    """Raises."""

    renormalize: ClassVar[bool] = False

    def fuse(self, stack: Tensor) -> Tensor:
        raise ValueError("by somebody else")
