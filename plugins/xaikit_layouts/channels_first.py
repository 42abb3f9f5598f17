"""Maps with channels before space: (N, C, *S)."""

from __future__ import annotations

from dataclasses import dataclass

from xaikit import hookimpl
from xaikit.layouts import Layout


@dataclass(frozen=True)
class ChannelsFirst:
    """(N, C, *S), with as many dimensions of space as the input has."""

    def layout(self, shape: tuple[int, ...], space: tuple[int, ...]) -> Layout | None:
        """See :class:`xaikit.layouts.Arrangement`."""
        return Layout("channels_first") if len(shape) == len(space) + 2 else None


@hookimpl
def xaikit_layout() -> type:
    return ChannelsFirst
