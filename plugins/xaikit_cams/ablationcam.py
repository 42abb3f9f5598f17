"""Ablation-CAM: channels weighed by what the score loses without them (Desai and Ramaswamy 2020, WACV)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from xaikit import Needs, hookimpl
from xaikit.ops import weigh
from xaikit.view import View


@dataclass(frozen=True)
class AblationCAM:
    """w_k = y - y_k and L = relu(sum_k w_k A_k), where y_k is the score with channel k set to zero.

    The paper divides w_k by y. That is one number a map, so it changes no picture but where y is negative: there it
    turns what supports the class into what opposes it. It is left out. Channels are set to zero on signed layers too.

    Cost: one forward and a pass of what lies behind the layer for every channel (C T); no gradient.
    Fails: channels that stand in for each other weigh little, as each is taken away alone. Zero need not mean absent
        where a layer has no ReLU. Slow at early layers, whose tail is nearly the model.
    Peers: pytorch-grad-cam runs the model for every channel, sets channels of signed layers to the minimum less 1e7
        instead of zero, and divides by y, so that negative scores turn the map over. Captum's LayerFeatureAblation
        can make the weights. TorchCAM has none.
    """

    needs: ClassVar[Needs] = Needs(replays=True)
    traits: ClassVar[frozenset[str]] = frozenset(
        {"class_specific", "deterministic", "linear", "per_sample", "scale_free"}
    )
    paper: ClassVar[dict[str, str]] = {"rectify": "relu"}

    def further(self, channels: int, places: int) -> int:
        """Further scores a sample, for the plan."""
        return channels

    def explain(self, view: View) -> Tensor:
        """The raw map (N, T, *S), before the ReLU."""
        activations = view.activations
        channels = torch.arange(activations.shape[2], device=activations.device)

        def make(part: slice) -> Tensor:
            left_out = channels[part]
            variants = activations.expand(-1, len(left_out), *activations.shape[2:]).clone()
            # set, not multiplied: a zero times infinity would be no zero
            variants[:, torch.arange(len(left_out), device=channels.device), left_out] = 0
            return variants

        return weigh(view.scores.unsqueeze(2) - view.rescore_with(len(channels), make), view)


@hookimpl
def xaikit_method() -> type:
    return AblationCAM
