"""The size of the model's input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xaikit import hookimpl


@dataclass(frozen=True)
class Input:
    """Every map at the size of the picture as the model saw it."""

    def size(self, maps: Sequence[tuple[int, ...]], inputs: tuple[int, ...]) -> tuple[int, ...]:
        """The spatial shape of the input."""
        return inputs


@hookimpl
def xaikit_resizer() -> type:
    return Input
