"""AliLRP: conservative propagation through attention and layer normalization (Ali et al. 2022, arXiv:2202.07304)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from xaikit import Backward, Needs, hookimpl
from xaikit.ops import combine
from xaikit.view import View


@dataclass(frozen=True)
class AliLRP:
    """L = sum_c A_c * g_c, where g is the gradient of a backward that takes the softmax of attention and the scale of a layer
    normalization for constants; activation functions have their derivative.

    Of ReLU networks it sums to the score less what biases add; GELU and SiLU add biases of their own.

    Cost: one forward and one gradient call, shared with all methods of the same rules.
    Fails: what decides where attention looks gets no relevance; where GELU is curved, much of the score is left out. A product of
        two values has no rule and is refused, but for activation functions that a model writes out.
    Peers: the authors' code for BERT and graphs; none that is installed.

    Patent: relevance propagation is said by LXT's authors to be patented, and free for personal and scientific purposes; ask them
    about any other.
    """

    needs: ClassVar[Needs] = Needs(gradients=1, backward=Backward(activation="derivative"))
    traits: ClassVar[frozenset[str]] = frozenset(
        {"class_specific", "deterministic", "linear", "per_sample", "scale_free"}
    )
    paper: ClassVar[dict[str, str]] = {"rectify": "none"}

    def explain(self, view: View) -> Tensor:
        """The raw map (N, T, *S)."""
        return combine(view.relevance, view)


@hookimpl
def xaikit_method() -> type:
    return AliLRP
