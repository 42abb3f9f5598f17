"""The sum over the layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from xaikit import hookimpl


@dataclass(frozen=True)
class Sum:
    """As the mean, before it is normalized again."""

    renormalize: ClassVar[bool] = True

    def fuse(self, stack: Tensor) -> Tensor:
        """(L, N, T, *S) to (N, T, *S)."""
        return stack.sum(0)


@hookimpl
def xaikit_fuser() -> type:
    return Sum
