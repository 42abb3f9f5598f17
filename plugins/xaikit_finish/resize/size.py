"""A size that is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from xaikit import hookimpl


@dataclass(frozen=True)
class Size:
    """``resize: [H, W]`` is ``{use: size, to: [H, W]}``.

    to  the spatial shape, in cells
    """

    to: tuple[int, ...]

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({"to": (9, 4)},)

    def __post_init__(self) -> None:
        if not self.to or min(self.to) < 1:
            raise ValueError(f"to: expected numbers of at least 1, got {list(self.to)}")

    def size(self, maps: Sequence[tuple[int, ...]], inputs: tuple[int, ...]) -> tuple[int, ...]:
        """What was given."""
        return self.to


@hookimpl
def xaikit_resizer() -> type:
    return Size
