"""LaFAM: the mean over the channels (Karjauv and Albayrak 2024, arXiv:2407.06059)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from xaikit import Needs, hookimpl
from xaikit.ops import weigh
from xaikit.view import View


@dataclass(frozen=True)
class LaFAM:
    """L = 1/K sum_k A_k, stretched between minimum and maximum.

    For models without labels: no class plays a part, the map is the same for every target, and the forward stops at the
    layer.

    Cost: one forward that stops at the layer (under 1 F); no gradient.
    Fails: where the question is which class. Every channel counts alike, also one that nothing behind the layer reads;
        on layers with negative activations channels cancel.
    Peers: none has it.
    """

    needs: ClassVar[Needs] = Needs(scores=False)
    traits: ClassVar[frozenset[str]] = frozenset({"deterministic", "per_sample"})
    paper: ClassVar[dict[str, str]] = {"rectify": "none", "normalize": "minmax"}

    def explain(self, view: View) -> Tensor:
        """The raw map (N, 1, *S), before it is stretched."""
        samples, targets, channels = view.activations.shape[:3]
        dtype = torch.promote_types(view.activations.dtype, torch.float32)
        weights = view.activations.new_full((samples, targets, channels), 1 / channels, dtype=dtype)
        return weigh(weights, view)


@hookimpl
def xaikit_method() -> type:
    return LaFAM
