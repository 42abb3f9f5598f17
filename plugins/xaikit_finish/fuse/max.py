"""The element-wise maximum, as in LayerCAM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from xaikit import hookimpl


@dataclass(frozen=True)
class Max:
    """A place matters as much as in the layer where it matters most."""

    renormalize: ClassVar[bool] = False

    def fuse(self, stack: Tensor) -> Tensor:
        """(L, N, T, *S) to (N, T, *S)."""
        return stack.amax(0)


@hookimpl
def xaikit_fuser() -> type:
    return Max
