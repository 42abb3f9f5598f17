"""AttnLRP: relevance through the softmax of attention (Achtibat et al. 2024, arXiv:2402.05602)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from xaikit import Backward, Needs, hookimpl
from xaikit.ops import combine
from xaikit.view import View


@dataclass(frozen=True)
class AttnLRP:
    """L = sum_c A_c * g_c, where g is the gradient of a backward in which an activation function is f(x) / x times x (their
    Eq. 9), the scale of a normalization is a constant, and both sides of a product have half (Eq. 7): attention's values a half,
    its queries and keys a quarter each, through the derivative of the softmax.

    The only one of this family in which what decides where attention looks has relevance. The softmax adds a bias of its
    own, so that L sums to the score but for what biases and softmaxes add. At the model's input it is noisy; in deep networks of
    many blocks the softmax can outweigh all else.

    Cost: one forward and one gradient call, shared with all methods of the same rules.
    Fails: where attention is steep, its bias is large and of either sign.
    Peers: LXT has these rules for single models of transformers, and adds 1e-10 to the x that it divides by.

    Patent: LXT's authors say that this method is patented, and free for personal and scientific purposes; ask them about any
    other.
    """

    needs: ClassVar[Needs] = Needs(gradients=1, backward=Backward(attention="split", product="half"))
    traits: ClassVar[frozenset[str]] = frozenset(
        {"class_specific", "deterministic", "linear", "per_sample", "scale_free"}
    )
    paper: ClassVar[dict[str, str]] = {"rectify": "none"}

    def explain(self, view: View) -> Tensor:
        """The raw map (N, T, *S)."""
        return combine(view.relevance, view)


@hookimpl
def xaikit_method() -> type:
    return AttnLRP
