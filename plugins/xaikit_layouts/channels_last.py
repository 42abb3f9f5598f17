"""Maps with channels behind space: (N, *S, C)."""

from __future__ import annotations

from dataclasses import dataclass

from xaikit import hookimpl
from xaikit.layouts import Layout


@dataclass(frozen=True)
class ChannelsLast:
    """(N, *S, C), as torchvision's Swin and timm's channels-last stages."""

    def layout(self, shape: tuple[int, ...], space: tuple[int, ...]) -> Layout | None:
        """See :class:`xaikit.layouts.Arrangement`."""
        return Layout("channels_last") if len(shape) == len(space) + 2 else None


@hookimpl
def xaikit_layout() -> type:
    return ChannelsLast
