"""Input times gradient (Shrikumar et al. 2016, arXiv:1605.01713)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from xaikit import Needs, hookimpl
from xaikit.ops import combine
from xaikit.view import View


@dataclass(frozen=True)
class InputXGradient:
    """L = sum_c x_c * dy/dx_c, which is HiResCAM at the input.

    Of a network of ReLUs without biases it sums to the score.

    Cost: one forward and one gradient call down to the input, shared with all other one-pass methods.
    Fails: what is zero in units of the model, after normalisation the mean colour, gets nothing, whatever it means.
    Peers: Captum's InputXGradient before the sum over the channels.
    """

    needs: ClassVar[Needs] = Needs(gradients=1, layers="input")
    traits: ClassVar[frozenset[str]] = frozenset(
        {"class_specific", "deterministic", "linear", "per_sample", "scale_free"}
    )
    paper: ClassVar[dict[str, str]] = {"rectify": "none", "normalize": "quantile"}

    def explain(self, view: View) -> Tensor:
        """The raw map (N, T, *S)."""
        return combine(view.gradients * view.activations, view)


@hookimpl
def xaikit_method() -> type:
    return InputXGradient
