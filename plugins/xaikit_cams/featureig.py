"""Feature IG: integrated gradients over the activations of a layer (Sundararajan et al. 2017, arXiv:1703.01365)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor

from xaikit import Needs, hookimpl
from xaikit.method import at_least, one_of
from xaikit.ops import combine, integrated, quadrature
from xaikit.view import View

Quadrature = Literal["gauss", "midpoint"]


@dataclass(frozen=True)
class FeatureIG:
    """L = sum_k A_k * mean_s G_k(s A), Eq. 1 of integrated gradients on the straight way from no activation to A, where
    G_k(s A) is the gradient of the score at the layer when it returns s A.

    No ReLU: what opposes the class stays negative. Completeness: the map sums to t(A) - t(0), the score less the score
    of a layer that returns zero, as exactly as the steps allow. What is missing, sum L - (t(A) - t(0)), is in the
    explanation as ``numbers["residual"]``, and above 1 % of t(A) - t(0) the sample is remarked on. On a linear tail
    every step has the same gradient and the map is HiResCAM's.

    Cost: ``steps`` + 1 forwards and gradient calls, of the whole model.

    Fails: activations between 0 and A are none that a photograph causes, and gradients there may be anything; zero is
    no neutral value of a signed layer.

    Peers: Captum's LayerIntegratedGradients goes from the layer's response to a baseline input, not from zero.
    TorchCAM and pytorch-grad-cam have none.

    steps       points on the way
    quadrature  gauss: Gauss-Legendre points. Behind a LayerNorm, whose gradients grow without bound towards zero, 32 of them
                missed 3 to 6 % of the gain where as many midpoints missed nearly all
                midpoint: s = (i + 1/2) / steps, of equal weight
    """

    steps: int = 32
    quadrature: Quadrature = "gauss"

    needs: ClassVar[Needs] = Needs(gradients=1, replays=True)
    traits: ClassVar[frozenset[str]] = frozenset(
        {"class_specific", "complete", "deterministic", "linear", "per_sample", "scale_free"}
    )
    paper: ClassVar[dict[str, str]] = {"rectify": "none"}
    examples: ClassVar[tuple[dict[str, int], ...]] = ({"steps": 2},)

    def __post_init__(self) -> None:
        at_least("steps", self.steps, 1)
        one_of("quadrature", self.quadrature, get_args(Quadrature))

    def further(self, channels: int, places: int) -> int:
        """Further passes a sample, for the plan."""
        return self.steps + 1

    def explain(self, view: View) -> Tensor:
        """The raw map (N, T, *S)."""
        start = torch.zeros_like(view.activations.squeeze(1))
        return combine(integrated(view, start, quadrature(self.quadrature, self.steps)), view)


@hookimpl
def xaikit_method() -> type:
    return FeatureIG
