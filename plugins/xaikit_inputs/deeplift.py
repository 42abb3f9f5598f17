"""DeepLIFT by the Rescale rule (Shrikumar et al. 2017, arXiv:1704.02685)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from xaikit import Needs, hookimpl
from xaikit.ops import combine
from xaikit.view import View


@dataclass(frozen=True)
class DeepLift:
    """L = sum_c m_c x_c, where m are the multipliers against an input of zero: 1 for what is linear, and
    (out - out') / (in - in') at a ReLU (their Eq. 10).

    It sums to the score less that of zero, which is checked. Behind more than linear operations and ReLUs (max pooling, gates,
    attention, SiLU, a softmax in the target) the model is refused by name, as one multiplier a value is no longer defined there.

    Cost: two forwards and one gradient call.
    Fails: zero in units of the model is one baseline of many; another makes another map.
    Peers: Captum's DeepLift, for networks built of modules; it takes the gradient where a function is called instead of a module.
    """

    needs: ClassVar[Needs] = Needs(replays=True, layers="input")
    traits: ClassVar[frozenset[str]] = frozenset(
        {"class_specific", "deterministic", "linear", "per_sample", "scale_free"}
    )
    paper: ClassVar[dict[str, str]] = {"rectify": "none", "normalize": "quantile"}

    def further(self, channels: int, places: int) -> int:
        """Further passes a sample, for the plan."""
        return 2

    def explain(self, view: View) -> Tensor:
        """The raw map (N, T, *S)."""
        return combine(view.multipliers() * view.activations, view)


@hookimpl
def xaikit_method() -> type:
    return DeepLift
