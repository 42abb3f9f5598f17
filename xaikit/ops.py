"""The small algebra that methods share, on evidence as a View gives it: (N, T, C, *S)."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
