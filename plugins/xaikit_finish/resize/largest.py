"""The size of the largest map."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from xaikit import hookimpl


@dataclass(frozen=True)
class Largest:
    """Every map at the size of the finest layer among them."""

    def size(self, maps: Sequence[tuple[int, ...]], inputs: tuple[int, ...]) -> tuple[int, ...]:
        """The spatial shape with the most cells."""
        return max(maps, key=math.prod)


@hookimpl
def xaikit_resizer() -> type:
    return Largest
