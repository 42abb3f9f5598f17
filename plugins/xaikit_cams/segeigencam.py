"""Seg-Eigen-CAM: the principal component of |gradient| * activation (Chung and Ying 2025, doi:10.3390/app15137562)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from xaikit import Needs, hookimpl
from xaikit.ops import principal
from xaikit.view import View


@dataclass(frozen=True)
class SegEigenCAM:
    """L = X v_1, where X is |dy/dA| * A (Eq. 10) as places x channels, less each channel's mean, and v_1 its first
    right singular vector (Eq. 11 and 12); -L where |min L| > |max L| (Eq. 13).

    Made for segmentation, where y is the sum of a class's scores over a region; any score will do.

    Cost: one forward and one gradient call, shared, and a leading eigenvector for every sample and target.
    Fails: |dy/dA| forgets whether a channel speaks for the class or against it. Eq. 13 points the largest deviation up,
        which is background where a small part of the picture is all that is not active; and where |min L| and |max L|
        are close, a small change of the input turns the map over.
    Peers: equal to pytorch-grad-cam's, before the ReLU that it takes always. TorchCAM and Captum have none.
    """

    needs: ClassVar[Needs] = Needs(gradients=1)
    traits: ClassVar[frozenset[str]] = frozenset({"class_specific", "deterministic", "per_sample", "scale_free"})
    paper: ClassVar[dict[str, str]] = {"rectify": "relu"}

    def explain(self, view: View) -> Tensor:
        """The raw map (N, T, *S), before the ReLU."""
        saliency = principal(view.gradients.abs() * view.activations, center=True)
        places = tuple(range(2, saliency.dim()))
        low, high = saliency.amin(places, keepdim=True), saliency.amax(places, keepdim=True)
        return saliency.where(low.abs() <= high.abs(), -saliency)


@hookimpl
def xaikit_method() -> type:
    return SegEigenCAM
