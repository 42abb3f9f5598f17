"""DecompX: a decomposition of tokens that is handed through all of a block (Modarressi et al. 2023, arXiv:2306.02873)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from xaikit import Backward, Needs, hookimpl
from xaikit.ops import combine
from xaikit.view import View


@dataclass(frozen=True)
class DecompX:
    """L = sum_c A_c * g_c, where g is the gradient of a backward that takes the softmax of attention and the scale of a layer
    normalization for constants, and an activation function for f(x) / x times x.

    The paper hands vectors on from token to token; where the network is linear in them, that is this gradient times the
    activation, in one backward. Without products of two values it is DecompX. It sums to the score less what biases add,
    which the paper also leaves to no token by default.

    Cost: one forward and one gradient call, shared with all methods of the same rules.
    Fails: what decides where attention looks gets no relevance; a product of two values has no rule and is refused.
    Peers: the authors' code for BERT, with all vectors in memory; none that is installed.
    """

    needs: ClassVar[Needs] = Needs(gradients=1, backward=Backward())
    traits: ClassVar[frozenset[str]] = frozenset(
        {"class_specific", "conserves", "deterministic", "linear", "per_sample", "scale_free"}
    )
    paper: ClassVar[dict[str, str]] = {"rectify": "none"}

    def explain(self, view: View) -> Tensor:
        """The raw map (N, T, *S)."""
        return combine(view.relevance, view)


@hookimpl
def xaikit_method() -> type:
    return DecompX
