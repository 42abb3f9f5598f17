"""Uniform: every place alike, a control and no paper's method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from xaikit import Needs, hookimpl
from xaikit.view import View
from xaikit_cams._picture import picture


@dataclass(frozen=True)
class Uniform:
    """L_p = 1 at every place p of the input. No paper: a control.

    What a metric says of it is what a metric says of nothing: the share of a box that is hit by chance, the curve of
    deletion in no order.

    Cost: none; neither layer nor score is read.
    Fails: always, which is its purpose. All places tie, so that metrics which rank them measure their own tie-breaking,
        and min-max normalization draws nothing.
    Peers: Quantus has a constant among its control variants; the CAM libraries have none.
    """

    needs: ClassVar[Needs] = Needs(scores=False, layers="none")
    control: ClassVar[bool] = True
    traits: ClassVar[frozenset[str]] = frozenset({"deterministic", "per_sample"})
    paper: ClassVar[dict[str, str]] = {"rectify": "relu"}  # nothing is negative

    def explain(self, view: View) -> Tensor:
        """The raw map (N, 1, *space of the input)."""
        image = picture(view.activations.squeeze(1))
        return torch.ones_like(image[:, :1])


@hookimpl
def xaikit_method() -> type:
    return Uniform
