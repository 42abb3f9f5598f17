"""The deepest layer that says anything, as a detection is explained at its own level of a feature pyramid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from xaikit import hookimpl


@dataclass(frozen=True)
class Deepest:
    """Of each sample and target the map of the last layer, in the order of their names, that is not 0 everywhere.

    Where levels are read from each other, as in a path aggregation network, a box of a coarse one has gradients at the finer
    ones before it as well: the last one is its own.
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
