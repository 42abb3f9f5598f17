"""Layer-wise relevance propagation (Bach et al. 2015, doi:10.1371/journal.pone.0130140)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from torch import Tensor

from xaikit import Backward, LinearRule, Needs, hookimpl
from xaikit.method import at_least, one_of
from xaikit.ops import combine
from xaikit.view import View

Composite = Literal[
    "epsilon",
    "epsilon_gamma",
    "epsilon_gamma_box",
    "epsilon_plus",
    "epsilon_plus_flat",
    "epsilon_alpha2_beta1",
    "epsilon_alpha2_beta1_flat",
    "gamma",
]


class _Rules:
    """What an instance needs: the rules of its composite, at the input where these are about it."""

    def __get__(self, method: LRP | None, cls: type[LRP]) -> Needs:
        """Of the class: those of its default options."""
        rules = (method or cls()).rules
        return Needs(gradients=1, backward=rules, layers="one" if rules.first is None else "input")


@dataclass(frozen=True)
class LRP:
    """R_i = sum_j (z_ij / sum_i z_ij) R_j, where z_ij = x_i w_ij is what a value of one layer adds to one of the next, from the
    score down to the layer; L = sum_c R_c.

    A composite says how z_ij is shared: the epsilon rule for dense layers (their Eq. 58) and for convolutions epsilon, gamma
    (Montavon et al. 2019, doi:10.1007/978-3-030-28954-6_10), z-plus or alpha 2 and beta 1 (their Eq. 60); for the layer that
    is given the picture as the others, flat, or box (z-B; Montavon et al. 2017, arXiv:1512.02479). A batch normalization
    behind a layer is a part of it; sums and pooling share by z, a maximum goes to the largest. Attention,
    gates, and normalizations that do not evaluate are constants as in ``libragrad``; the composite gamma has that rule for
    dense layers as well, as AttnLRP's authors have it for vision transformers. With epsilon 0 and the composite epsilon
    it is activation times gradient in a network of ReLUs.

    Cost: one forward and a gradient call in which each linear layer runs two to six times, shared with all methods of the
        same rules.
    Fails: positive rules (z-plus, flat) make maps that hardly depend on the class and fail the randomisation test (Sixt et al.
        2020, arXiv:1912.09818). Linear operations that are no modules, such as what ``nn.MultiheadAttention`` does to its
        inputs, have the epsilon rule with epsilon 0; so have those of a forward of a subclass's own, such as the low ranks of
        LoRA, but for a convolution with any weight, and a dense layer's weight times what it is given.
    Peers: zennit's composites of the same names, equal where it has a canonizer of the network; without one it hands all of
        the relevance to either side of a residual connection. It adds 1e-6 to what sums and average pooling divide by, and
        what is left of a normalization that it merges divides by sqrt(1 + eps) once more. A batch normalization that is
        behind no linear layer lets all relevance through there, and here has a share for its shift.

    Patent: LXT's authors say that relevance propagation is patented, and free for personal and scientific purposes; ask them
    about any other.

    composite  the rules of dense layers, of convolutions, and of the layer that is given the picture; with flat or box the map is
               of the input, whatever layers are named
    epsilon    added, with its sign, to what the epsilon rule divides by; all other rules have 1e-6
    gamma      by how much positive weights count more, in gamma, epsilon_gamma and epsilon_gamma_box
    low, high  the least and the largest value of a pixel as the model gets it, in epsilon_gamma_box; the defaults are black and
               white of the red and blue channel under the normalization of ImageNet
    """

    composite: Composite = "epsilon_plus"
    epsilon: float = 1e-6
    gamma: float = 0.25
    low: float = -2.118
    high: float = 2.64

    needs = _Rules()
    traits: ClassVar[frozenset[str]] = frozenset(
        {"class_specific", "deterministic", "linear", "per_sample", "scale_free"}
    )
    paper: ClassVar[dict[str, str]] = {"rectify": "none"}
    examples: ClassVar[tuple[dict[str, str | float], ...]] = ({"composite": "epsilon_gamma_box"},)

    def __post_init__(self) -> None:
        one_of("composite", self.composite, get_args(Composite))
        at_least("epsilon", self.epsilon, 0)
        at_least("gamma", self.gamma, 0)
        if not self.low <= 0 <= self.high:
            raise ValueError(f"low, high: expected numbers with 0 between them, got {self.low} and {self.high}")

    @property
    def rules(self) -> Backward:
        """Those of the composite."""
        dense = LinearRule("epsilon", epsilon=self.epsilon)
        gamma = LinearRule("gamma", gamma=self.gamma)
        if self.composite == "gamma":
            return Backward(product="half", dense=gamma, convolution=gamma)
        convolutions = {
            "epsilon": dense,
            "epsilon_gamma": gamma,
            "epsilon_plus": LinearRule("alphabeta"),
            "epsilon_alpha2_beta1": LinearRule("alphabeta", alpha=2.0, beta=1.0),
        }
        first = {"flat": LinearRule("flat"), "box": LinearRule("box", low=self.low, high=self.high)}
        base, _, last = self.composite.rpartition("_")
        convolution = convolutions[base if last in first else self.composite]
        return Backward(product="half", dense=dense, convolution=convolution, first=first.get(last))

    def explain(self, view: View) -> Tensor:
        """The raw map (N, T, *S)."""
        return combine(view.relevance, view)


@hookimpl
def xaikit_method() -> type:
    return LRP
