"""Channels of the input made one."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

Channels = Literal["max", "sum"]


def reduced(values: Tensor, channels: Channels, absolute: bool) -> Tensor:
    """(N, T, C, *S) to (N, T, *S): the sum, or the value of the largest size; of sizes alone where ``absolute``."""
    values = values.abs() if absolute else values
    if channels == "sum":
        return values.sum(2)
    return values.gather(2, values.abs().argmax(2, keepdim=True)).squeeze(2)
