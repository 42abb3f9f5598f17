"""The coarsest layer that says anything, as a detection is explained at its own level of a feature pyramid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from xaikit import hookimpl


@dataclass(frozen=True)
class Deepest:
    """Of each sample and target the map of the coarsest layer, by its cells, that is not 0 everywhere.

    Of layers with as many cells it is the last one, in the order in which they are stated or in which ``auto`` lists them.

    Where levels are read from each other, as in a path aggregation network, a box of a coarse one has gradients at the finer
    ones before it as well: the coarsest one is its own.
    Fails: a map that rectifying has left nothing of counts as saying nothing.
    """

    renormalize: ClassVar[bool] = False

    def fuse(self, stack: Tensor) -> Tensor:
        """(L, N, T, *S) to (N, T, *S)."""
        flat = stack.flatten(3)
        numbers = torch.arange(len(stack), device=stack.device).reshape(-1, 1, 1)
        last = torch.where(flat.ne(0).any(3), numbers, 0).amax(0)
        chosen = flat.gather(0, last[None, ..., None].expand(1, *flat.shape[1:]))
        return chosen[0].reshape(stack.shape[1:])


@hookimpl
def xaikit_fuser() -> type:
    return Deepest
