"""LeGrad: how much each block's own score rises with its attention (Bousselham et al. 2025, arXiv:2404.03214)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from xaikit import Needs, hookimpl
from xaikit.ops import exact
from xaikit.view import View


@dataclass(frozen=True)
class LeGrad:
    """E_l = mean over heads and queries of relu(ds_l/dP_l), and L = 1/B sum_l E_l over the B blocks, without the tokens
    before the grid; section 3. P_l are the attention probabilities of block l (N, heads, queries, keys), and s_l is the score
    that the tokens behind block l get from the model's own norm, pooling and head.

    Each block is differentiated for itself: s_l depends on P_l alone and not on those of earlier blocks, so that no graph is
    longer than a block. The tokens of all blocks are scored in one pass.

    Cost: three forwards, the last of the head on B times the samples, and a gradient call a target.
    Fails: where tokens of early blocks mean nothing to the head, their s_l is noise: try ``last``. Behind a head
        that reads the class token only that token's row has a gradient, so that the mean over queries is its row.
    Peers: TorchCAM has it for torchvision's ViT, and scores the mean over all tokens where the head was trained on the class
        token's, as the authors' own code does, which takes the last two blocks (``last: 2``); given the class token it is
        equal. pytorch-grad-cam and Captum: none.

    last  only so many blocks from the end; none: all
    """

    last: int | None = None

    needs: ClassVar[Needs] = Needs(attention=2, layers="all")
    traits: ClassVar[frozenset[str]] = frozenset({"class_specific", "deterministic", "per_sample", "scale_free"})
    paper: ClassVar[dict[str, str]] = {"rectify": "none", "normalize": "minmax"}

    def __post_init__(self) -> None:
        if self.last is not None and not (isinstance(self.last, int) and self.last >= 1):
            raise ValueError(f"last: expected at least 1 or none, got {self.last}")

    def explain(self, view: View) -> Tensor:
        """The raw map (N, T, *S)."""
        blocks = view.block_attention[-(self.last or 0) :]
        by_block = [exact(block.gradients).clamp_min(0).mean((2, 3)) for block in blocks]
        return view.on_grid(torch.stack(by_block).mean(0))


@hookimpl
def xaikit_method() -> type:
    return LeGrad
