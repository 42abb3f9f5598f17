"""Attention rollout: what flows from each place to the token that the head reads (Abnar and Zuidema 2020, arXiv:2005.00928)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, get_args

import torch
from torch import Tensor

from xaikit import Needs, hookimpl
from xaikit.method import one_of
from xaikit.ops import exact
from xaikit.view import View
from xaikit_cams._tokens import Heads, Read, fused, reader


@dataclass(frozen=True)
class Rollout:
    """A_l = 0.5 (E_h P_l + I), and L = the row of the class token in R = A_L ... A_2 A_1, without the tokens before the
    grid; Eq. 1 and section 3. P_l are the attention probabilities of block l, E_h is the mean over its heads.

    The identity stands for the residual connection. Every row of A_l is divided by its sum, which is one but for other
    heads than the mean and for what is discarded. The class plays no part: all targets have one map. Of a model whose head
    averages over the grid (timm says so in ``global_pool``; one without a class token always does), the mean of the
    grid's rows is the map.

    Cost: one forward; L products of a row and a K x K matrix, K tokens.
    Fails: it says where tokens were mixed, and nothing about the class; the values, the projections and the MLPs are left
        out, so that tokens of large attention and no effect shine (registers, background artefacts of large ViTs).
    Peers: none of the three has it.

    heads    mean, as in the paper, or max or min over the heads, as popular ports offer
    discard  share of the lowest entries of each E_h P_l that is set to zero first, as popular ports do with 0.9
    read     class: the row of the first token that is no place; mean: the mean over the rows of the grid; auto: as the
             model says (timm's global_pool and head_dist); the class token where it says nothing
    """

    heads: Heads = "mean"
    discard: float = 0.0
    read: Read = "auto"

    needs: ClassVar[Needs] = Needs(attention=1, module=True, scores=False, layers="all")
    traits: ClassVar[frozenset[str]] = frozenset({"deterministic", "per_sample"})
    paper: ClassVar[dict[str, str]] = {"rectify": "none", "normalize": "minmax"}

    def __post_init__(self) -> None:
        one_of("heads", self.heads, get_args(Heads))
        one_of("read", self.read, get_args(Read))
        if not 0 <= self.discard < 1:
            raise ValueError(f"discard: expected a share from 0 to less than 1, got {self.discard}")

    def explain(self, view: View) -> Tensor:
        """The raw map (N, 1, *S)."""
        row = reader(view, self.read)
        # from the last block to the first: only what is read is multiplied
        for attention in reversed(view.attention):
            row = row @ self._mixed(exact(attention.probabilities))
        return view.on_grid(row.squeeze(2))

    def _mixed(self, probabilities: Tensor) -> Tensor:
        """A_l, (N, 1, K, K)."""
        attention = fused(probabilities, self.heads).flatten(2)
        if count := int(self.discard * attention.shape[2]):
            lowest = attention.topk(count, 2, largest=False).indices
            attention = attention.scatter(2, lowest, 0)
        tokens = probabilities.shape[-1]
        residual = torch.eye(tokens, dtype=attention.dtype, device=attention.device)
        attention = attention.reshape(*attention.shape[:2], tokens, tokens) + residual
        return attention / attention.sum(3, keepdim=True)


@hookimpl
def xaikit_method() -> type:
    return Rollout
