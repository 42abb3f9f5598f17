"""Shapley-CAM: Grad-CAM's weights less half a Hessian product, a second-order Shapley value (Cai 2025, arXiv:2501.06261)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from xaikit import Needs, hookimpl
from xaikit.ops import pool, weigh
from xaikit.view import View


@dataclass(frozen=True)
class ShapleyCAM:
    """w_k = 1/Z sum_ij (G - 1/2 H A)_k(i,j) and L = relu(sum_k w_k A_k), where G is the gradient of the score at A and H
    its Hessian: the Shapley values of the channels' weights when the score is replaced by its second-order expansion.

    H A is one Hessian product. It is zero where the score is linear, or linear in pieces, in A: for a logit behind
    convolutions, pooling and ReLUs this is Grad-CAM. The paper means it for the target ``rest``, the logit plus its
    log-probability, whose softmax bends at every tail.

    Cost: one forward and one gradient call, shared; a further forward with two gradient calls a target.

    Fails: where Grad-CAM does: the mean over space forgets where a channel counted. A tail bent strongly between 0 and
    A is no parabola, and then the correction can be worse than none.

    Peers: pytorch-grad-cam's has the same weights, and raises for a frozen model whose tail is linear. TorchCAM and
    Captum have none.
    """

    needs: ClassVar[Needs] = Needs(gradients=2)
    traits: ClassVar[frozenset[str]] = frozenset(
        {"class_specific", "deterministic", "linear", "per_sample", "scale_free"}
    )
    paper: ClassVar[dict[str, str]] = {"rectify": "relu"}

    def further(self, channels: int, places: int) -> int:
        """Further passes a sample, for the plan."""
        return 1

    def explain(self, view: View) -> Tensor:
        """The raw map (N, T, *S), before the ReLU."""
        gradients = view.gradients
        curved = view.hvp(view.activations.expand_as(gradients))
        return weigh(pool(gradients - curved / 2, view), view)


@hookimpl
def xaikit_method() -> type:
    return ShapleyCAM
