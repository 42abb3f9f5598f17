"""What Grad-CAM++ and Smooth Grad-CAM++ share: the weights of places, in a form that neither underflows nor needs an
epsilon."""

from __future__ import annotations

from torch import Tensor

from xaikit.view import View

FLOOR = 1e-3


def mass(view: View) -> Tensor:
    """sum_ab A_k(a,b), kept broadcastable: (N, 1, C, 1, ...)."""
    return view.activations.sum(view.space, keepdim=True)


def channel_weights(numerator: Tensor, denominator: Tensor, view: View) -> Tensor:
    """sum_ij numerator / denominator, (N, T, C, *S) to (N, T, C).

    A denominator below 1e-3 (it is 2 for a small gradient) comes from a negative sum of activations, or from gradients that
    are of either sign in noisy passes, and says nothing: such places weigh 0 and are counted in the warnings.
    """
    quotient = numerator / denominator
    # one look at the smallest, where a CPU has the answer at hand, instead of four passes over all places
    if denominator.device.type == "cpu" and bool(denominator.amin() >= FLOOR):
        return quotient.sum(view.space)
    spoiled = denominator < FLOOR
    view.warn(
        "places whose alpha has no meaning (its denominator is not positive: negative activations, or gradients of either "
        "sign in noisy passes) got weight 0",
        spoiled & (numerator != 0),
    )
    return quotient.masked_fill(spoiled, 0).sum(view.space)
