"""Any order of axes, said by a letter each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from xaikit import hookimpl
from xaikit.layouts import Axes, MapLayout


@dataclass(frozen=True)
class StatedAxes:
    """Samples first, channels and space in any order: ``NTCHW`` are frames, ``NTF`` spectrograms, ``NLC`` signals.

    order  a letter for each axis, the first of them N; C the channels, which may be left out; all others are space,
           in the order of their letters in it
    """

    order: str

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({"order": "NHCW"}, {"order": "NHW"})

    def __post_init__(self) -> None:
        if not self.order.startswith("N") or len(set(self.order)) < len(self.order) or not self._space:
            raise ValueError(
                f"order: expected N and a letter once for each other axis, such as NTCHW, got {self.order!r}"
            )

    @property
    def _space(self) -> tuple[int, ...]:
        return tuple(axis for axis, letter in enumerate(self.order) if letter not in "NC")

    def layout(self, shape: tuple[int, ...], space: tuple[int, ...]) -> MapLayout | None:
        """See :class:`xaikit.layouts.Arrangement`."""
        if len(shape) != len(self.order):
            return None
        return Axes(self.order.index("C") if "C" in self.order else None, self._space)


@hookimpl
def xaikit_layout() -> type:
    return StatedAxes
