"""The mean over the layers, as pytorch-grad-cam fuses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from xaikit import hookimpl


@dataclass(frozen=True)
class Mean:
    """All layers count the same; the result is normalized again."""

    renormalize: ClassVar[bool] = True

    def fuse(self, stack: Tensor) -> Tensor:
        """(L, N, T, *S) to (N, T, *S)."""
        return stack.mean(0)


@hookimpl
def xaikit_fuser() -> type:
    return Mean
