"""CP-LRP: nothing goes through the softmax of attention, nor through gates (after Ali et al. 2022, arXiv:2202.07304)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from xaikit import Backward, Needs, hookimpl
from xaikit.ops import combine
from xaikit.view import View


@dataclass(frozen=True)
class CPLRP:
    """L = sum_c A_c * g_c, where g is the gradient of a backward in which the softmax of attention is a constant, an activation
    function is f(x) / x times x, the scale of a normalization is a constant, and so is the side of a gated product that
    comes from an activation function.

    The variant of AliLRP that AttnLRP is compared with (Achtibat et al. 2024, arXiv:2402.05602); without gated products it is
    LibraGrad. It sums to the score less what biases add.

    Cost: one forward and one gradient call, shared with all methods of the same rules.
    Fails: what decides where attention looks, and which gate opens, gets no relevance; a product of two values of which
        neither is a gate is refused.
    Peers: LXT has these rules for single models of transformers, and adds 1e-10 to the x that it divides by.

    Patent: LXT's authors say that relevance propagation is patented, and free for personal and scientific purposes; ask them
    about any other.
    """

    needs: ClassVar[Needs] = Needs(gradients=1, backward=Backward(product="gate"))
    traits: ClassVar[frozenset[str]] = frozenset(
        {"class_specific", "conserves", "deterministic", "linear", "per_sample", "scale_free"}
    )
    paper: ClassVar[dict[str, str]] = {"rectify": "none"}

    def explain(self, view: View) -> Tensor:
        """The raw map (N, T, *S)."""
        return combine(view.relevance, view)


@hookimpl
def xaikit_method() -> type:
    return CPLRP
