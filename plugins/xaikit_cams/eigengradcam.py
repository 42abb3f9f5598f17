"""Eigen-Grad-CAM: the first principal component of activations times gradients (pytorch-grad-cam's EigenGradCAM)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from xaikit import Needs, hookimpl
from xaikit.ops import principal
from xaikit.view import View


@dataclass(frozen=True)
class EigenGradCAM:
    """L = X v_1, where X is dy/dA * A as places x channels and v_1 its first right singular vector.

    No paper's method: it comes from pytorch-grad-cam, which makes Eigen-CAM (arXiv:2008.00299) class-specific so. The
    sign is such that the map agrees with HiResCAM, the sum over the channels.

    Cost: one forward and one gradient call of what lies behind the layer, shared with all other one-pass methods; an
        eigenvector for every target.
    Fails: the component need not be what raises the score: it is where the products vary most, and what speaks for and
        against the class may lie in it together.
    Peers: pytorch-grad-cam subtracts the mean of each channel (``center: true``) and leaves the sign to chance.
        TorchCAM and Captum have none.

    center  subtract each channel's mean first
    """

    center: bool = False

    needs: ClassVar[Needs] = Needs(gradients=1)
    traits: ClassVar[frozenset[str]] = frozenset({"class_specific", "deterministic", "per_sample", "scale_free"})
    paper: ClassVar[dict[str, str]] = {"rectify": "relu"}

    def explain(self, view: View) -> Tensor:
        """The raw map (N, T, *S), before the ReLU."""
        return principal(view.gradients * view.activations, self.center)


@hookimpl
def xaikit_method() -> type:
    return EigenGradCAM
