"""Raw attention: what the head's token attends to in one block (Caron et al. 2021, arXiv:2104.14294)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, get_args

from torch import Tensor

from xaikit import ConfigError, Needs, hookimpl
from xaikit.method import one_of
from xaikit.ops import exact
from xaikit.view import View
from xaikit_cams._tokens import Heads, Read, fused, reader


@dataclass(frozen=True)
class RawAttention:
    """L = r E_h P_b: the attention of block b, a mean over the heads, in the row of the token that the head reads.

    The baseline of the papers on transformers (Caron et al. 2021, arXiv:2104.14294, show single heads of the last block).

    Cost: one forward, that stops behind the last block of attention where no other method asks for more.
    Fails: attention is not what the output depends on: values may be zero, and what later blocks do is left out.
    Peers: none of the three has it.

    block  counted from 0, or from the end with a minus
    heads  mean, max or min over the heads
    read   as of rollout
    """

    block: int = -1
    heads: Heads = "mean"
    read: Read = "auto"

    needs: ClassVar[Needs] = Needs(attention=1, module=True, scores=False, layers="all")
    traits: ClassVar[frozenset[str]] = frozenset({"deterministic", "per_sample"})
    paper: ClassVar[dict[str, str]] = {"rectify": "none", "normalize": "minmax"}

    def __post_init__(self) -> None:
        one_of("heads", self.heads, get_args(Heads))
        one_of("read", self.read, get_args(Read))

    def explain(self, view: View) -> Tensor:
        """The raw map (N, 1, *S)."""
        blocks = view.attention
        if not -len(blocks) <= self.block < len(blocks):
            raise ConfigError(f"block: expected one of the model's {len(blocks)}, from 0 on, got {self.block}")
        probabilities = exact(blocks[self.block].probabilities)
        tokens = probabilities.shape[-1]
        mixed = fused(probabilities, self.heads).reshape(len(probabilities), 1, tokens, tokens)
        return view.on_grid((reader(view, self.read) @ mixed).squeeze(2))


@hookimpl
def xaikit_method() -> type:
    return RawAttention
