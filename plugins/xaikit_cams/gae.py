"""Generic attention explainability: rollout of what attention does for the score (Chefer et al. 2021, arXiv:2103.15679)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, get_args

import torch
from torch import Tensor

from xaikit import Needs, hookimpl
from xaikit.method import one_of
from xaikit.ops import exact
from xaikit.view import View
from xaikit_cams._tokens import Read, reader


@dataclass(frozen=True)
class GAE:
    """Abar_l = E_h relu(dy/dP_l * P_l) and R <- R + Abar_l R from R = I, block by block; L = the row of the class token in
    R - I, without the tokens before the grid; Eq. 5 and 6, for self-attention. P_l are the attention probabilities of block
    l, E_h is the mean over its heads.

    Taking off I changes nothing of a class token's map: it is zero there. y is the score before the softmax. The map is no
    linear one of y: products of blocks grow with powers of it, so that a score times ten has a slightly different picture.

    Cost: one forward and one gradient call, shared.
    Fails: where the positive part of dy/dP * P is noise, as in deep blocks of saturated models; what MLPs do to tokens is
        left out. A model whose head averages has no token that everything flows to: the mean of rows is softer.
    Peers: none of the three has it.

    read  class: the row of the first token that is no place; mean: the mean over the rows of the grid; auto: as the
          model says (timm's global_pool and head_dist); the class token where it says nothing
    """

    read: Read = "auto"

    needs: ClassVar[Needs] = Needs(gradients=1, attention=1, module=True, layers="all")
    traits: ClassVar[frozenset[str]] = frozenset({"class_specific", "deterministic", "per_sample"})
    paper: ClassVar[dict[str, str]] = {"rectify": "none", "normalize": "minmax"}

    def __post_init__(self) -> None:
        one_of("read", self.read, get_args(Read))

    def explain(self, view: View) -> Tensor:
        """The raw map (N, T, *S)."""
        read = reader(view, self.read)
        row = torch.zeros_like(read)
        # R = (I + Abar_L) ... (I + Abar_1): only what is read is multiplied, and R - I loses nothing to the ones of I
        for attention in reversed(view.attention):
            positive = exact(attention.gradients * attention.probabilities).clamp_min(0).mean(2)
            row = row + (read + row) @ positive
        return view.on_grid(row.squeeze(2))


@hookimpl
def xaikit_method() -> type:
    return GAE
