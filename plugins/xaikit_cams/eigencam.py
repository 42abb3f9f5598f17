"""Eigen-CAM: the first principal component of the activations (Muhammad and Yeasin 2020, arXiv:2008.00299)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from xaikit import Needs, hookimpl
from xaikit.ops import principal
from xaikit.view import View


@dataclass(frozen=True)
class EigenCAM:
    """L = A v_1, where A = U S V^T is places x channels and v_1 the first right singular vector.

    No class plays a part: the map is the same for every target, and the forward stops at the layer. The sign of v_1,
    arbitrary in the paper, is such that the map agrees with the mean over the channels; below a ReLU the map is then
    nowhere negative, unless two components tie. The paper asks for no ReLU.

    Cost: one forward that stops at the layer (under 1 F); no gradient.
    Fails: it shows what is most active, be it the class or not: a large background, or a few channels or places that
        outweigh all others, as in transformers. Nothing tells two objects in a picture apart.
    Peers: pytorch-grad-cam subtracts the mean of each channel (``center: true``), leaves the sign to chance and applies
        a ReLU, so that maps come out inverted or empty; it accepts targets and ignores them. TorchCAM and Captum
        have none.

    center  subtract each channel's mean first, which the paper does not
    """

    center: bool = False

    needs: ClassVar[Needs] = Needs(scores=False)
    traits: ClassVar[frozenset[str]] = frozenset({"deterministic", "per_sample"})
    paper: ClassVar[dict[str, str]] = {"rectify": "none"}

    def explain(self, view: View) -> Tensor:
        """The raw map (N, 1, *S)."""
        return principal(view.activations, self.center)


@hookimpl
def xaikit_method() -> type:
    return EigenCAM
