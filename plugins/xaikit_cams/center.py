"""Center: a Gaussian bump in the middle, a control and no paper's method."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import ClassVar

import torch
from torch import Tensor

from xaikit import Needs, hookimpl
from xaikit.view import View
from xaikit_cams._picture import picture


@dataclass(frozen=True)
class Center:
    """L_p = exp(-|p|^2 / (2 std^2)), where p is a place of the input, from the middle, in shares of each side.
    No paper: a control.

    Photographers put what matters in the middle: on data with this bias the map scores well in localization, and a
    method that does no better has shown nothing.

    Cost: none; neither layer nor score is read.
    Fails: always, which is its purpose: it is the same for every picture and every model.
    Peers: none has it.

    std  of the bump, in shares of the side: 0.25 reaches exp(-2) = 0.14 at the middle of an edge
    """

    std: float = 0.25

    needs: ClassVar[Needs] = Needs(scores=False, layers="none")
    control: ClassVar[bool] = True
    traits: ClassVar[frozenset[str]] = frozenset({"deterministic", "per_sample"})
    paper: ClassVar[dict[str, str]] = {"rectify": "relu"}  # nothing is negative

    def __post_init__(self) -> None:
        if not (isfinite(self.std) and self.std > 0):
            raise ValueError(f"std: expected more than 0, got {self.std}")

    def explain(self, view: View) -> Tensor:
        """The raw map (N, 1, *space of the input)."""
        bump = torch.ones_like(picture(view.activations.squeeze(1))[:, :1])
        space = bump.shape[2:]
        for axis, side in enumerate(space):
            # the middle of each cell, so that the map is symmetric whether the side is even or odd
            place = (torch.arange(side, dtype=bump.dtype, device=bump.device) + 0.5) / side - 0.5
            along = (-0.5 * (place / self.std).square()).exp()
            bump = bump * along.reshape(-1, *(1,) * (len(space) - axis - 1))
        return bump


@hookimpl
def xaikit_method() -> type:
    return Center
