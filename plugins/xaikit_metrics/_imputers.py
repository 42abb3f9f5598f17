"""What takes a pixel's place when it is removed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from xaikit.metric import MetricView
from xaikit.ops import blurred
from xaikit_metrics._road import LinearImputation

Filling = Literal["mean", "blur", "black", "zero", "noise"]
"""What stands in place of what is removed, whatever else is::

    mean   the mean of each channel of the photograph
    blur   the photograph under a Gaussian of 5 % of each side
    black  a black pixel, before normalization
    zero   0 of the model's input, after normalization: the mean colour of the data that it was trained on
    noise  normal noise with mean and deviation of each channel of the photograph, drawn by the seed
"""

Imputer = Literal["mean", "blur", "black", "zero", "noise", "road"]
"""A :data:`Filling`, or what depends on what is left: ``road``, each removed pixel the weighted mean of its neighbours, see
:mod:`xaikit_metrics._road`."""

Impute = Callable[[Tensor], Tensor]
"""From what is removed, (N, m, *S) of bool, to the photographs without it, (N, m, C, *S)."""

BLUR = 0.05


def imputation(view: MetricView, imputer: Imputer) -> Impute:
    """How photographs lose places."""
    if imputer == "road":
        return LinearImputation(view.image, view.stream("road").normal(*view.image.shape[1:]))
    image, fill = view.image.unsqueeze(1), filling(view, imputer).unsqueeze(1)
    return lambda gone: torch.where(gone.unsqueeze(2), fill, image)


def filling(view: MetricView, imputer: Filling) -> Tensor:
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
