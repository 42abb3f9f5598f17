"""Grad-CAM: channels weighed by their mean gradient (Selvaraju et al. 2017, arXiv:1610.02391)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from xaikit import Needs, hookimpl
from xaikit.ops import pool, weigh
from xaikit.view import View


@dataclass(frozen=True)
class GradCAM:
    """w_k = 1/Z sum_ij dy/dA_k(i,j) and L = relu(sum_k w_k A_k), Eq. 1 and 2; y is the score before the softmax.

    Cost: one forward and one gradient call of what lies behind the layer, shared with all other one-pass methods.
    Fails: a channel has one weight for the whole picture: where the layers behind read it differently in different
        places, the map shows places that the score does not depend on (the flaw that HiResCAM mends). At early layers
        the mean gradient says little. Of several objects of a class it may show one.
    Peers: TorchCAM, pytorch-grad-cam and Captum have the same weights, and differ in the finish: the first two
        stretch between minimum and maximum, Captum applies no ReLU unless asked to.
    """

    needs: ClassVar[Needs] = Needs(gradients=1)
    traits: ClassVar[frozenset[str]] = frozenset(
        {"class_specific", "deterministic", "linear", "per_sample", "scale_free"}
    )
    paper: ClassVar[dict[str, str]] = {"rectify": "relu"}

    def explain(self, view: View) -> Tensor:
        """The raw map (N, T, *S), before the ReLU."""
        return weigh(pool(view.gradients, view), view)


@hookimpl
def xaikit_method() -> type:
    return GradCAM
