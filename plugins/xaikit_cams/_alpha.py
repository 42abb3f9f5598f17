"""What Grad-CAM++ and Smooth Grad-CAM++ share: the weights of places, in a form that neither underflows nor needs an
epsilon."""

from __future__ import annotations

from torch import Tensor

from xaikit.ops import surely
from xaikit.view import View

FLOOR = 0.1
"""Of a denominator, which is 2 for a small gradient. Below it 1 / d gives way to d / FLOOR^2, which meets it there and is 0 at
0: a cut that jumped would make last bits decide whether a place weighs much or nothing."""


def mass(view: View) -> Tensor:
    """sum_ab A_k(a,b), kept broadcastable: (N, 1, C, 1, ...)."""
    return view.activations.sum(view.space, keepdim=True)


def channel_weights(numerator: Tensor, denominator: Tensor, view: View) -> Tensor:
    """sum_ij numerator / denominator, (N, T, C, *S) to (N, T, C).

    A denominator below 0.1 (it is 2 for a small gradient) comes from a negative sum of activations, or from gradients that
    are of either sign in noisy passes, and says little: such places weigh less, down to 0 where it is 0 or negative, and are
    counted in the warnings.
    """
    # one look at the smallest, where a CPU has the answer at hand, instead of several passes over all places
    if surely(denominator.amin() >= FLOOR):
        return (numerator / denominator).sum(view.space)
    small = denominator < FLOOR
    view.warn(
        "places whose alpha has little meaning (its denominator is near 0 or negative: negative activations, or gradients "
        "of either sign in noisy passes) weigh less, or 0",
        small & (numerator != 0),
    )
    faded = numerator * (denominator.clamp_min(0) / FLOOR**2)
    return faded.where(small, numerator / denominator).sum(view.space)
