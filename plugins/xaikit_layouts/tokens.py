"""Tokens in raster order behind some that are no place: (N, prefix + prod(grid), C)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from xaikit import hookimpl
from xaikit.layouts import Layout, infer


@dataclass(frozen=True)
class Tokens:
    """(N, prefix + prod(grid), C).

    prefix  tokens before the grid: class and register tokens
    grid    its sides; without it, the grid with the input's aspect that so many tokens make
    """

    prefix: int = 0
    grid: tuple[int, ...] | None = None

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({"prefix": 1}, {"prefix": 5, "grid": (6, 4)})

    def __post_init__(self) -> None:
        if self.prefix < 0:
            raise ValueError(f"prefix: expected at least 0, got {self.prefix}")
        if self.grid is not None and (not self.grid or min(self.grid) < 1):
            raise ValueError(f"grid: expected sides of at least 1, got {list(self.grid)}")

    def layout(self, shape: tuple[int, ...], space: tuple[int, ...]) -> Layout | None:
        """See :class:`xaikit.layouts.Arrangement`."""
        if len(shape) != 3:
            return None
        if self.grid is not None:
            fits = self.prefix + math.prod(self.grid) == shape[1]
            return Layout("tokens", self.prefix, tuple(self.grid)) if fits else None
        layout = infer((shape[0], shape[1] - self.prefix, shape[2]), space, 0)
        return Layout("tokens", self.prefix, layout.grid) if layout is not None and not layout.prefix else None


@hookimpl
def xaikit_layout() -> type:
    return Tokens
