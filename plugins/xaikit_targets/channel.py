"""One channel of a layer: the mean, or the maximum, of what it returns there over all places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from torch import Tensor

from xaikit import ConfigError, hookimpl
from xaikit.targets import Pinned
from xaikit_targets._units import PinnedUnit, Reduce, of_layer


@dataclass(frozen=True)
class Channel:
    """y = mean or max over all places of the channel; explain it at a layer before that one.

    layer    the name of a module
    channel  its number
    reduce   mean or max
    axis     where channels stand: first (N, C, ...), or last (N, ..., C), as in tokens
    """

    layer: str
    channel: int
    reduce: Reduce = "mean"
    axis: Literal["first", "last"] = "first"

    plural: ClassVar[bool] = False
    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"layer": "act", "channel": 1},
        {"layer": "act", "channel": 2, "reduce": "max", "axis": "last"},
    )

    def pin(self, output: Tensor, labels: Tensor | None) -> Pinned:
        """See :class:`xaikit.targets.Target`. Raises ConfigError for a channel that the layer does not have."""
        output = of_layer(output, "channel", self.layer)
        axis = 1 if self.axis == "first" else output.dim() - 1
        if not 0 <= self.channel < output.shape[axis]:
            raise ConfigError(
                f"target channel: expected a channel in 0 ... {output.shape[axis] - 1}, the {self.axis} axis of "
                f"{tuple(output.shape)} behind the samples, got {self.channel}"
            )
        return PinnedUnit(self.layer, (self.channel,), axis, self.reduce)


@hookimpl
def xaikit_target() -> type:
    return Channel
