"""XGrad-CAM: gradients averaged with the activations as weights (Fu et al. 2020, arXiv:2008.02312)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from xaikit import Needs, hookimpl
from xaikit.ops import weigh
from xaikit.view import View

CANCELLED = 1e-6
HALF = {torch.float16: 4e-3, torch.bfloat16: 3e-2}
"""In half precision activations are rounded so much that a sum below this share of sum |A| is nothing."""


@dataclass(frozen=True)
class XGradCAM:
    """w_k = sum_ij A_k(i,j) / (sum_ab A_k(a,b)) dy/dA_k(i,j) and L = relu(sum_k w_k A_k), Eq. 8.

    The quotient has no meaning where a channel's activations cancel, as they can before a ReLU: where |sum A| is at
    most 1e-6 of sum |A|, the channel's weight is 0 and it is counted in the warnings.

    Cost: one forward and one gradient call of what lies behind the layer, shared with all other one-pass methods.
    Fails: at layers without a ReLU a channel whose activations nearly cancel gets a weight out of all proportion. Below
        global pooling and a linear head it is Grad-CAM up to rounding, which is a theorem and no fault.
    Peers: TorchCAM and pytorch-grad-cam add 1e-8 and 1e-7 to sum A, which leaves the pole where it is. Captum has none.
    """

    needs: ClassVar[Needs] = Needs(gradients=1)
    traits: ClassVar[frozenset[str]] = frozenset(
        {"class_specific", "complete", "deterministic", "linear", "per_sample", "scale_free"}
    )
    paper: ClassVar[dict[str, str]] = {"rectify": "relu"}

    def explain(self, view: View) -> Tensor:
        """The raw map (N, T, *S), before the ReLU."""
        activations = view.activations
        total = activations.sum(view.space)
        mass = activations.abs().sum(view.space)
        cancelled = total.abs() <= HALF.get(view.dtype, CANCELLED) * mass
        view.warn("channels whose activations cancel got weight 0", cancelled & (mass > 0))
        weighted = (view.gradients * activations).sum(view.space)
        return weigh((weighted / total.masked_fill(cancelled, 1)).masked_fill(cancelled, 0), view)


@hookimpl
def xaikit_method() -> type:
    return XGradCAM
