"""One unit of a layer: the number at an index of what it returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from xaikit import ConfigError, hookimpl
from xaikit.targets import Pinned
from xaikit_targets._units import PinnedUnit, is_inside, of_layer


@dataclass(frozen=True)
class Neuron:
    """y = output of the layer at ``unit``; explain it at a layer before that one.

    layer  the name of a module
    unit   a number for an output (N, C); [c, i, j] for a map (N, C, H, W), [token, c] for tokens
    """

    layer: str
    unit: int | tuple[int, ...]

    plural: ClassVar[bool] = False
    examples: ClassVar[tuple[dict[str, Any], ...]] = ({"layer": "act", "unit": 1}, {"layer": "act", "unit": (2,)})

    def pin(self, output: Tensor, labels: Tensor | None) -> Pinned:
        """See :class:`xaikit.targets.Target`. Raises ConfigError for a unit that the layer does not have."""
        output = of_layer(output, "neuron", self.layer)
        index = (self.unit,) if isinstance(self.unit, int) else tuple(self.unit)
        if not is_inside(index, output.shape[1:]):
            raise ConfigError(
                f"target neuron: expected a unit inside {tuple(output.shape[1:])}, which {self.layer} returns for a sample, "
                f"got {list(index)}"
            )
        return PinnedUnit(self.layer, index)


@hookimpl
def xaikit_target() -> type:
    return Neuron
