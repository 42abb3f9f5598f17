"""HiResCAM: activations times gradients, place by place (Draelos and Carin 2020, arXiv:2011.08891)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from xaikit import Needs, hookimpl
from xaikit.ops import combine
from xaikit.view import View


@dataclass(frozen=True)
class HiResCAM:
    """L = sum_k dy/dA_k * A_k, element by element (their Eq. 3).

    For a network that ends in one linear layer the map sums to the score less the bias. The paper's map is signed: it
    asks for no ReLU.

    Cost: one forward and one gradient call of what lies behind the layer, shared with all other one-pass methods.
    Fails: that it shows what the score depends on is proven where one linear layer follows, with or without pooling;
        at earlier layers it is a first-order estimate, and as noisy as the gradient. Where a layer normalization is all
        that reads the layer, as at the end of a block of a vision transformer, it is 0 by theorem, and said to be: take the
        output of that normalization (``blocks.11.norm1``).
    Peers: pytorch-grad-cam has the same sum and always applies a ReLU, so that the sign is lost. Captum's
        LayerGradientXActivation is the product before the sum over channels. TorchCAM has none.
    """

    needs: ClassVar[Needs] = Needs(gradients=1)
    traits: ClassVar[frozenset[str]] = frozenset(
        {"class_specific", "complete", "deterministic", "linear", "per_sample", "scale_free"}
    )
    paper: ClassVar[dict[str, str]] = {"rectify": "none"}

    def explain(self, view: View) -> Tensor:
        """The raw map (N, T, *S)."""
        return combine(view.gradients * view.activations, view)


@hookimpl
def xaikit_method() -> type:
    return HiResCAM
