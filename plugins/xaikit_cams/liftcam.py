"""LIFT-CAM: channels weighed by their DeepLIFT contribution to the score (Jung and Oh 2021, arXiv:2102.05228)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from xaikit import Needs, hookimpl
from xaikit.ops import weigh
from xaikit.view import View


@dataclass(frozen=True)
class LiftCAM:
    """w_k = sum_ij m_k(i,j) A_k(i,j) and L = relu(sum_k w_k A_k), where m are DeepLIFT's multipliers by the Rescale rule
    against activations of zero: the gradient of what is linear, (out - out') / (in - in') at an activation.

    The weights sum to the score less the score of activations that are zero, which is checked. They stand for the
    Shapley values of channels that are there or zero, and are those exactly where the tail is linear; then they are
    Ablation-CAM's too. Behind more than linear operations, activations and max pooling (gates, attention, layer
    normalization, a softmax in the target) the layer is refused by name, as one multiplier a value is not defined there.

    Cost: two forwards and one gradient call, whatever the number of channels.

    Fails: where one channel counts for opposite things at different places, as one number a channel cannot say so; and
    behind several activations the weights stray from the Shapley values.

    Peers: none has it. Captum's LayerDeepLift gives the contributions that it sums, for networks built of modules, and
    takes the gradient where a function is called instead of a module.
    """

    needs: ClassVar[Needs] = Needs(replays=True)
    traits: ClassVar[frozenset[str]] = frozenset(
        {"class_specific", "deterministic", "linear", "per_sample", "scale_free"}
    )
    paper: ClassVar[dict[str, str]] = {"rectify": "relu"}

    def further(self, channels: int, places: int) -> int:
        """Further passes a sample, for the plan."""
        return 2

    def explain(self, view: View) -> Tensor:
        """The raw map (N, T, *S), before the ReLU."""
        return weigh((view.multipliers() * view.activations).sum(view.space), view)


@hookimpl
def xaikit_method() -> type:
    return LiftCAM
