"""Tokens on a grid, beside some that are no place: (N, prefix + prod(grid) + suffix, C)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from xaikit import hookimpl
from xaikit.layouts import Layout, MapLayout, Positions, token_readings


@dataclass(frozen=True)
class Tokens:
    """(N, prefix + prod(grid) + suffix, C), in raster order; or in any order, by ``positions``.

    prefix     tokens before the grid: class and register tokens
    suffix     tokens behind it: a class token at the end, detection tokens
    grid       its sides; without it, the grid with the input's aspect that so many tokens make
    positions  the place in the sequence of each cell of ``grid`` in raster order, where that is not the order
    """

    prefix: int = 0
    grid: tuple[int, ...] | None = None
    suffix: int = 0
    positions: tuple[int, ...] | None = None

    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"prefix": 1},
        {"prefix": 5, "grid": (6, 4)},
        {"suffix": 1, "grid": (6, 4)},
        {"grid": (2, 2), "positions": (0, 4, 1, 5)},
    )

    def __post_init__(self) -> None:
        if self.prefix < 0 or self.suffix < 0:
            raise ValueError(f"prefix, suffix: expected at least 0, got {self.prefix}, {self.suffix}")
        if self.grid is not None and (not self.grid or min(self.grid) < 1):
            raise ValueError(f"grid: expected sides of at least 1, got {list(self.grid)}")
        if self.positions is not None:
            self._check_positions(self.positions)

    def _check_positions(self, positions: tuple[int, ...]) -> None:
        if self.grid is None or len(positions) != math.prod(self.grid):
            raise ValueError(f"positions: expected one a cell of grid, got {len(positions)} for {self.grid}")
        if min(positions) < 0 or len(set(positions)) < len(positions) or self.prefix or self.suffix:
            raise ValueError(
                "positions: expected every place once, counted from the first token, and no prefix or suffix"
            )

    def layout(self, shape: tuple[int, ...], space: tuple[int, ...]) -> MapLayout | None:
        """See :class:`xaikit.layouts.Arrangement`."""
        if len(shape) != 3:
            return None
        if self.positions is not None and self.grid is not None:
            return Positions(tuple(self.grid), tuple(self.positions)).layout(shape, space)
        count = shape[1] - self.prefix - self.suffix
        if self.grid is not None:
            return Layout("tokens", self.prefix, tuple(self.grid)) if math.prod(self.grid) == count else None
        if len(space) == 1:
            return Layout("tokens", self.prefix, (count,)) if count > 0 else None
        grids = [one.grid for one in token_readings(count, space, hint=0) if not one.prefix]
        return Layout("tokens", self.prefix, grids[0]) if len(set(grids)) == 1 else None


@hookimpl
def xaikit_layout() -> type:
    return Tokens
