"""What takes a pixel's place when it is removed."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import conv1d

from xaikit.metric import MetricView

Imputer = Literal["mean", "blur", "black", "zero", "noise"]
"""What stands in place of what is removed::

    mean   the mean of each channel of the photograph
    blur   the photograph under a Gaussian of 5 % of each side
    black  a black pixel, before normalization
    zero   0 of the model's input, after normalization: the mean colour of the data that it was trained on
    noise  normal noise with mean and deviation of each channel of the photograph, drawn by the seed
"""

BLUR = 0.05


def filling(view: MetricView, imputer: Imputer) -> Tensor:
    """What would stand everywhere if all was removed, (N, C, *S)."""
    image = view.image
    space = tuple(range(2, image.dim()))
    if imputer == "zero":
        return torch.zeros_like(image)
    if imputer == "black":
        return view.black.expand_as(image).clone()
    if imputer == "blur":
        return blurred(image, BLUR)
    mean = image.mean(space, keepdim=True).expand_as(image)
    if imputer == "mean":
        return mean.clone()
    deviation = image.std(space, keepdim=True, correction=0)
    return mean + deviation * view.stream("imputer").normal(*image.shape[1:]).to(image)


def blurred(values: Tensor, share: float) -> Tensor:
    """Values (N, C, *S) under a Gaussian whose deviation is a share of each side, edges repeated."""
    for axis in range(2, values.dim()):
        values = _along(values, axis, share * values.shape[axis])
    return values


def _along(values: Tensor, axis: int, deviation: float) -> Tensor:
    size = values.shape[axis]
    reach = max(1, min(size, int(3 * deviation)))
    offsets = torch.arange(-reach, reach + 1, device=values.device, dtype=values.dtype)
    weights = torch.exp(-0.5 * (offsets / max(deviation, 1e-6)) ** 2)
    moved = values.movedim(axis, -1)
    places = torch.arange(-reach, size + reach, device=values.device).clamp(0, size - 1)
    rows = moved[..., places].reshape(-1, 1, size + 2 * reach)
    return conv1d(rows, (weights / weights.sum()).view(1, 1, -1)).reshape(moved.shape).movedim(-1, axis)
