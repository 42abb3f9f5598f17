"""What a photograph is compared with: an input that says nothing."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from xaikit.ops import blurred

Baseline = Literal["zero", "mean", "blur"]
SHARE = 0.1
"""The deviation of the blur, of each side."""


def baseline_of(image: Tensor, kind: Baseline) -> Tensor:
    """Of photographs (N, C, *S), of the same shape.

    ``zero``: in units of the model, which after the usual normalisation is the mean colour of ImageNet; ``mean``: of each channel
    of the photograph; ``blur``: the photograph without what is smaller than a tenth of it.
    """
    if kind == "zero":
        return torch.zeros_like(image)
    if kind == "mean":
        return image.mean(tuple(range(2, image.dim())), keepdim=True).expand_as(image)
    return blurred(image, SHARE)
