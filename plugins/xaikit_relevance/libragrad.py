"""LibraGrad: gradients that are balanced, so that with the biases they sum to the score (Mehri et al. 2024, arXiv:2411.16760)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from xaikit import Backward, Needs, hookimpl
from xaikit.ops import combine
from xaikit.view import View


@dataclass(frozen=True)
class LibraGrad:
    """L = sum_c A_c * g_c, where g is the gradient of a backward that takes attention, gates and the scale of a normalization for
    constants and halves products (their section 3).

    Every part of the network is then linear in what it is given, but for biases: at a layer that all of the score comes through,
    L sums to the score less what biases behind the layer add (FullGrad-completeness). Of ReLU networks
    without products it is activation times gradient.

    Cost: one forward and one gradient call, shared with all methods of the same rules.
    Fails: where biases add most of the score, L is little of it; what decides where attention looks gets no relevance.
    Peers: none that is installed; the authors give the operations of single libraries other derivatives.
    """

    needs: ClassVar[Needs] = Needs(gradients=1, backward=Backward(product="half"))
    traits: ClassVar[frozenset[str]] = frozenset(
        {"class_specific", "conserves", "deterministic", "linear", "per_sample", "scale_free"}
    )
    paper: ClassVar[dict[str, str]] = {"rectify": "none"}

    def explain(self, view: View) -> Tensor:
        """The raw map (N, T, *S)."""
        return combine(view.relevance, view)


@hookimpl
def xaikit_method() -> type:
    return LibraGrad
