"""What the targets inside a model share: one number of a layer's output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from xaikit import ConfigError

Reduce = Literal["mean", "max"]


@dataclass(frozen=True, eq=False)
class PinnedUnit:
    """One number of a layer's output (N, ...): at an index, or of a channel over all its places.

    index  behind the samples; of a channel, its number alone
    """

    layer: str
    index: tuple[int, ...]
    channels: int | None = None
    reduce: Reduce = "mean"
    plural: bool = False

    @property
    def spatial(self) -> bool:
        """Whether it is at one place of a map, or one token; a channel is of all places."""
        return self.channels is None and len(self.index) > 1

    def scores(self, output: Tensor) -> Tensor:
        """The number, (N, 1)."""
        if self.channels is None:
            where: tuple[Any, ...] = (slice(None), *self.index)
            return output[where].unsqueeze(1)
        places = output.select(self.channels, self.index[0]).reshape(len(output), -1)
        return (places.mean(1) if self.reduce == "mean" else places.amax(1)).unsqueeze(1)

    def rows(self, index: Tensor) -> PinnedUnit:
        """Itself: it is the same for every sample."""
        return self

    def __str__(self) -> str:
        return f"{'unit' if self.channels is None else 'channel'} {list(self.index)} of {self.layer}"


def of_layer(output: Any, target: str, layer: str) -> Tensor:
    """What a layer returned. Raises ConfigError where that is no tensor (N, C, ...)."""
    if not isinstance(output, Tensor) or output.dim() < 2:
        got = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise ConfigError(f"target {target}: expected a tensor (N, C, ...) from layer {layer}, got {got}")
    return output


def is_inside(index: tuple[int, ...], shape: torch.Size) -> bool:
    """Whether an index lies in a tensor of that shape."""
    return len(index) == len(shape) and all(-side <= at < side for at, side in zip(index, shape, strict=True))
