"""The engine's half of targets: pinning, several pinned targets as one, and targets that are scored on a layer."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from xaikit.errors import ConfigError
from xaikit.evidence.forward import Readout, WithLayers
from xaikit.targets import Pinned, Target


@dataclass(frozen=True, eq=False)
class Unpinned:
    """The target of a pass that stopped at the layer, since no method asked for a score."""

    plural: bool = False

    def scores(self, output: Tensor) -> Tensor:
        """NaN, (N, 1), of the samples of any tensor, and of its type: random numbers are drawn in that of the scores."""
        dtype = output.dtype if output.is_floating_point() else torch.get_default_dtype()
        return output.new_full((len(output), 1), math.nan, dtype=dtype)

    def rows(self, index: Tensor) -> Unpinned:
        """Itself."""
        return self


@dataclass(frozen=True, eq=False)
class PinnedTogether:
    """Several targets as one: their columns side by side.

    ``rows`` and ``probabilities`` are there only if all parts have them.
    """

    parts: tuple[Pinned, ...]
    plural: bool = True

    def scores(self, output: Any) -> Tensor:
        """Of all parts, (N, T)."""
        return torch.cat([part.scores(output) for part in self.parts], 1)

    def __str__(self) -> str:
        return "; ".join(map(str, self.parts))

    @property
    def rows(self) -> Callable[[Tensor], PinnedTogether]:
        """The same targets for chosen samples."""
        each = [part.rows for part in self.parts]
        return lambda index: PinnedTogether(tuple(rows(index) for rows in each))

    @property
    def probabilities(self) -> Callable[[Any], Tensor]:
        """The probabilities of all parts, (N, T)."""
        # a target that is no class has none: then neither have all of them together
        each: list[Callable[[Any], Tensor]] = [part.probabilities for part in self.parts]  # type: ignore[attr-defined]
        return lambda output: torch.cat([probabilities(output) for probabilities in each], 1)


@dataclass(frozen=True, eq=False)
class PinnedAt:
    """A target that is scored on what one layer returned (None: the model), where several are read side by side."""

    target: Pinned
    layer: str | None

    @property
    def plural(self) -> bool:
        """As the target says."""
        return self.target.plural

    def scores(self, output: Any) -> Tensor:
        """Of its own part of the output, (N, T)."""
        return self.target.scores(_part(output, self.layer))

    def __str__(self) -> str:
        return str(self.target)

    @property
    def rows(self) -> Callable[[Tensor], PinnedAt]:
        """The same for chosen samples, if the target can."""
        rows = self.target.rows
        return lambda index: PinnedAt(rows(index), self.layer)

    @property
    def probabilities(self) -> Callable[[Any], Tensor]:
        """Those of the target, if it has some."""
        probabilities: Callable[[Any], Tensor] = self.target.probabilities  # type: ignore[attr-defined]
        return lambda output: probabilities(_part(output, self.layer))


def _part(output: Any, layer: str | None) -> Any:
    return output.output if layer is None else output.layers[layer]


def readout_of(targets: Iterable[Target], output: str | int) -> Readout:
    """What targets are scored on: a part of the model's output, and the layers that some of them are units of."""
    layers = dict.fromkeys(getattr(target, "layer", None) for target in targets)
    return Readout(output, tuple(layer for layer in layers if layer is not None))


def pin(target: Target, output: Any, labels: Tensor | None) -> Pinned:
    """Fix a target on the output of the clean pass, or on that of its layer.

    Raises:
        ConfigError: the target does not fit, or its layer did not run.
    """
    if not isinstance(output, WithLayers):
        return target.pin(output, labels)
    layer: str | None = getattr(target, "layer", None)
    if layer is not None and layer not in output.layers:
        raise ConfigError(f"target: layer {layer} did not run or returned no tensor")
    return PinnedAt(target.pin(_part(output, layer), labels), layer)


def is_spatial(pinned: Pinned) -> bool:
    """Whether a score is of certain places of the picture, so that a mirrored or resized one has to be asked elsewhere."""
    if isinstance(pinned, PinnedTogether):
        return any(map(is_spatial, pinned.parts))
    return bool(getattr(without_layer(pinned), "spatial", False))


def without_layer(pinned: Pinned) -> Pinned:
    """The target without the layer that it is scored on."""
    return pinned.target if isinstance(pinned, PinnedAt) else pinned


@dataclass(frozen=True, eq=False)
class PinnedParts:
    """What stands on the target axis where a method makes several maps by without_layer, as concepts; none has a score."""

    target: Pinned
    count: int
    plural: bool = True

    def scores(self, output: Any) -> Tensor:
        """NaN, (N, count)."""
        found = self.target.scores(output)
        return found.new_full((len(found), self.count), math.nan)

    def __str__(self) -> str:
        return f"{self.count} parts, whatever {self.target}"

    def rows(self, index: Tensor) -> PinnedParts:
        """The same for other samples."""
        return PinnedParts(self.target.rows(index), self.count)
