"""Grad-CAM++: positive gradients, each place with its own alpha (Chattopadhay et al. 2018, arXiv:1710.11063)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from xaikit import Needs, hookimpl
from xaikit.ops import weigh
from xaikit.view import View
from xaikit_cams._alpha import channel_weights, mass


@dataclass(frozen=True)
class GradCAMpp:
    """w_k = sum_ij alpha_k(i,j) relu(g) with alpha = g^2 / (2 g^2 + g^3 sum_ab A_k(a,b)), Eq. 7 and 19.

    g is dS/dA_k(i,j), S the score before the softmax.

    The sum over A is alone, not over A g^3. Where g > 0, alpha is 1 / (2 + g sum A): computed so, it does not
    underflow at gradients of 1e-4 and needs no epsilon; elsewhere relu(g) = 0 makes it moot. The factor exp(S) of
    Y = exp(S) is left out: it is one positive number a map.

    Cost: one forward and one gradient call of what lies behind the layer, shared with all other one-pass methods.
    Fails: what speaks against the class is dropped, so that at the last layer it tells classes apart much worse than
        Grad-CAM. Not scale free: a score in other units makes another map. Where sum A is negative, before a ReLU,
        2 + g sum A may come near zero and one place outweighs all.
    Peers: the authors' code divides each channel's alpha by its sum over the places where relu(g) > 0, which the paper does
        not print. TorchCAM's division has no effect (``variant: torchcam``); pytorch-grad-cam has the formula, and an epsilon
        that changes it (``variant: pytorch-grad-cam``). Captum has none.

    variant  paper
             torchcam: TorchCAM 0.5, whose division edits a copy and never happens: w_k = sum relu(g)^3
             pytorch-grad-cam: adds 1e-6 to the denominator, which outweighs 2 g^2 on real networks
    """

    variant: Literal["paper", "torchcam", "pytorch-grad-cam"] = "paper"

    needs: ClassVar[Needs] = Needs(gradients=1)
    traits: ClassVar[frozenset[str]] = frozenset({"class_specific", "deterministic", "per_sample"})
    paper: ClassVar[dict[str, str]] = {"rectify": "relu"}

    def explain(self, view: View) -> Tensor:
        """The raw map (N, T, *S), before the ReLU."""
        if self.variant == "torchcam":
            return weigh(view.gradients.clamp_min(0).pow(3).sum(view.space), view)
        if self.variant == "pytorch-grad-cam":
            return weigh(_with_epsilon(view), view)
        positive = view.gradients.clamp_min(0)
        return weigh(channel_weights(positive, 2 + positive * mass(view), view), view)


def _with_epsilon(view: View) -> Tensor:
    gradients = view.gradients
    squared = gradients.square()
    alpha = squared / (2 * squared + mass(view) * squared * gradients + 1e-6)
    return (alpha * gradients.clamp_min(0)).sum(view.space)


@hookimpl
def xaikit_method() -> type:
    return GradCAMpp
