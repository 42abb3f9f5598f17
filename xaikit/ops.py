"""The small algebra that methods share, on evidence as a View gives it: (N, T, C, *S)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from xaikit.view import View


def pool(evidence: Tensor, view: View) -> Tensor:
    """The mean over space: (N, T, C, *S) to (N, T, C)."""
    return evidence.mean(view.space)


def weigh(weights: Tensor, view: View) -> Tensor:
    """Activations summed with a weight a channel: (N, T, C) to the raw map (N, T, *S)."""
    activations = view.activations.squeeze(1)
    return (weights @ activations.flatten(2)).reshape(*weights.shape[:2], *activations.shape[2:])


def combine(products: Tensor, view: View) -> Tensor:
    """Evidence weighed element by element, summed over the channels: (N, T, C, *S) to the raw map (N, T, *S)."""
    return products.sum(view.channel)


def principal(evidence: Tensor, center: bool = False) -> Tensor:
    """The projection of every place on the first right singular vector of places x channels: (N, T, C, *S) to (N, T, *S).

    By the eigenvectors of the smaller of the two Gram matrices, as Muhammad and Yeasin 2020 (arXiv:2008.00299) have it
    by a singular value decomposition. The sign, arbitrary there, is such that the projections times the mean over the
    channels sum to zero or more.

    Args:
        center: subtract each channel's mean first, as pytorch-grad-cam does and the paper does not.

    A sample with a value that is not finite gets a map that is NaN.
    """
    raise NotImplementedError
