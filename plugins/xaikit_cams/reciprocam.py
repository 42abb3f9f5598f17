"""Recipro-CAM: the score of every place by itself (Byun and Lee 2022, arXiv:2209.14074)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from xaikit import Needs, hookimpl
from xaikit.view import View


@dataclass(frozen=True)
class ReciproCAM:
    """L_p = y(A with every place but p set to zero), stretched between minimum and maximum.

    y is the score before the softmax; the authors' code takes the probability behind it. Below global pooling and a
    linear head L_p is CAM's over the number of places, plus the bias.

    Cost: one forward and a pass of what lies behind the layer for every place (H W T, 49 of them for 7 x 7); no
        gradient.
    Fails: a place by itself is what the tail was never trained on: what counts only beside something else is not seen.
        Stretched between minimum and maximum, a map of nothing looks like one of something.
    Peers: none of TorchCAM, pytorch-grad-cam and Captum has it.
    """

    needs: ClassVar[Needs] = Needs(replays=True)
    traits: ClassVar[frozenset[str]] = frozenset(
        {"class_specific", "deterministic", "linear", "per_sample", "scale_free"}
    )
    paper: ClassVar[dict[str, str]] = {"rectify": "none", "normalize": "minmax"}

    def further(self, channels: int, places: int) -> int:
        """Further scores a sample, for the plan."""
        return places

    def explain(self, view: View) -> Tensor:
        """The raw map (N, T, *S), before it is stretched."""
        activations = view.activations.flatten(3)
        places = torch.arange(activations.shape[3], device=activations.device)

        def make(part: slice) -> Tensor:
            alone = places == places[part, None, None]
            # chosen, not multiplied: a zero times infinity elsewhere would be no zero
            masked = activations.where(alone, 0)
            return masked.reshape(*masked.shape[:3], *view.shape[2:])

        return view.rescore_with(len(places), make).reshape(view.shape)


@hookimpl
def xaikit_method() -> type:
    return ReciproCAM
