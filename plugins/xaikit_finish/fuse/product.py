"""The product over the layers, as in Refine-CAM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from xaikit import hookimpl


@dataclass(frozen=True)
class Product:
    """A place matters only if every layer says so; the result is normalized again."""

    renormalize: ClassVar[bool] = True

    def fuse(self, stack: Tensor) -> Tensor:
        """(L, N, T, *S) to (N, T, *S)."""
        return stack.prod(0)


@hookimpl
def xaikit_fuser() -> type:
    return Product
