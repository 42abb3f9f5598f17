"""The engine's half of targets: pinning, several pinned targets as one, and targets that are scored on a layer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from xaikit.errors import ConfigError
from xaikit.evidence.forward import OutputPart, Readout, WithLayers
from xaikit.passes.modes import Mode
from xaikit.targets import Pinned, Target, is_spatial, layer_of, logits_of, padding_of, probabilities_of, rows_of


class Unpinned:
    """The target of a pass that stopped at the layer, since no method asked for a score."""

    plural = False

    def scores(self, output: Tensor) -> Tensor:
        """NaN, (N, 1), of the samples of any tensor, and of its type: random numbers are drawn in that of the scores."""
        dtype = output.dtype if output.is_floating_point() else torch.get_default_dtype()
        return output.new_full((output.shape[0], 1), torch.nan, dtype=dtype)

    def __str__(self) -> str:
        return "no class"


@dataclass(frozen=True, eq=False)
class PinnedTogether:
    """Several targets as one: their columns side by side. What one of them cannot do, they cannot together."""

    parts: tuple[Pinned, ...]
    plural: bool = True

    def scores(self, output: Any) -> Tensor:
        """Of all parts, (N, T)."""
        return torch.cat([part.scores(output) for part in self.parts], 1)

    def __str__(self) -> str:
        return "; ".join(map(str, self.parts))

    @property
    def spatial(self) -> bool:
        """Whether one of them is of certain places."""
        return any(map(is_spatial, self.parts))

    @property
    def rows(self) -> Callable[[Tensor], PinnedTogether] | None:
        """The same targets for chosen samples."""
        each = [rows for part in self.parts if (rows := rows_of(part)) is not None]
        if len(each) < len(self.parts):
            return None
        return lambda index: PinnedTogether(tuple(rows(index) for rows in each))

    @property
    def probabilities(self) -> Callable[[Any], Tensor] | None:
        """The probabilities of all parts, (N, T)."""
        each = [shares for part in self.parts if (shares := probabilities_of(part)) is not None]
        if len(each) < len(self.parts):
            return None
        return lambda output: torch.cat([shares(output) for shares in each], 1)


def unchanged(output: Any) -> Any:
    """The output as it came."""
    return output


@dataclass(frozen=True, eq=False)
class PinnedPart:
    """A pinned target that is scored on a part of the output, where several are read side by side, or some of its columns,
    where the gradients of all of them are too many for one pass."""

    target: Pinned
    read: Callable[[Any], Any] = unchanged
    columns: slice = field(default_factory=partial(slice, None))

    @property
    def plural(self) -> bool:
        """As the target says; so for all below."""
        return self.target.plural

    def scores(self, output: Any) -> Tensor:
        """Of this part and these columns alone, (N, T)."""
        return self.target.scores(self.read(output))[:, self.columns]

    def __str__(self) -> str:
        return str(self.target)

    @property
    def spatial(self) -> bool:
        return is_spatial(self.target)

    @property
    def padding(self) -> Tensor | None:
        padding = padding_of(self.target)
        return None if padding is None else padding[:, self.columns]

    @property
    def rows(self) -> Callable[[Tensor], PinnedPart] | None:
        rows = rows_of(self.target)
        return None if rows is None else lambda index: replace(self, target=rows(index))

    @property
    def probabilities(self) -> Callable[[Any], Tensor] | None:
        return self._of_part(probabilities_of(self.target))

    @property
    def logits(self) -> Callable[[Any], Tensor] | None:
        return self._of_part(logits_of(self.target))

    def _of_part(self, function: Callable[[Any], Tensor] | None) -> Callable[[Any], Tensor] | None:
        return None if function is None else lambda output: function(self.read(output))[:, self.columns]


def columns_of(
    pinned: Sequence[Pinned], scores: Sequence[Tensor], chosen: slice
) -> tuple[tuple[Pinned, ...], tuple[Tensor, ...]]:
    """Targets and their scores (N, T each), of some of the columns of all targets side by side."""
    parts: list[tuple[Pinned, Tensor]] = []
    for target, part, stop in zip(pinned, scores, accumulate(part.shape[1] for part in scores), strict=True):
        start = stop - part.shape[1]
        columns = slice(max(chosen.start - start, 0), max(min(chosen.stop, stop) - start, 0))
        parts.append((target if columns == slice(0, part.shape[1]) else _columns(target, columns), part[:, columns]))
    return tuple(target for target, _ in parts), tuple(part for _, part in parts)


def _columns(pinned: Pinned, columns: slice) -> PinnedPart:
    return replace(pinned, columns=columns) if isinstance(pinned, PinnedPart) else PinnedPart(pinned, columns=columns)


@dataclass(frozen=True)
class TargetAt:
    """A target that is scored on another part of the output than the others."""

    target: Target
    part: OutputPart

    def pin(self, output: Any, labels: Tensor | None) -> Pinned:
        """See :class:`xaikit.targets.Target`; of its own part."""
        return self.target.pin(output, labels)

    def __getattr__(self, name: str) -> Any:
        """What the target declares beside."""
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.target, name)


def target_at(target: Target, output: str | int | None) -> Target:
    """The target on a part of the output of its own; itself where there is none. Raises ConfigError for a unit of a layer."""
    if output is not None and layer_of(target) is not None:
        raise ConfigError(f"output: {output!r} plays no part for a target that is a unit of layer {layer_of(target)}")
    return target if output is None else TargetAt(target, OutputPart(output))


def _place_of(target: Target) -> str | OutputPart | None:
    return target.part if isinstance(target, TargetAt) else layer_of(target)


def _part(output: Any, layer: str | OutputPart | None) -> Any:
    return output.output if layer is None else output.layers[layer]


def readout_of(targets: Iterable[Target], output: str | int, mode: Mode = "eval") -> Readout:
    """What targets are scored on: a part of the model's output, and the layers and other parts that some of them are of."""
    places = dict.fromkeys(map(_place_of, targets))
    layers = tuple(place for place in places if isinstance(place, str))
    return Readout(output, layers, mode, tuple(place for place in places if isinstance(place, OutputPart)))


def pin(target: Target, output: Any, labels: Tensor | None) -> Pinned:
    """Fix a target on the output of the clean pass, or on that of its layer.

    Raises:
        ConfigError: the target does not fit, or its layer did not run.
    """
    if not isinstance(output, WithLayers):
        return target.pin(output, labels)
    layer = _place_of(target)
    if layer is not None and layer not in output.layers:
        raise ConfigError(f"target: layer {layer} did not run or returned no tensor")
    return PinnedPart(target.pin(_part(output, layer), labels), partial(_part, layer=layer))


def without_layer(pinned: Pinned) -> Pinned:
    """The target without the layer that it is scored on."""
    return replace(pinned, read=unchanged) if isinstance(pinned, PinnedPart) else pinned


def whole(pinned: Pinned) -> Pinned:
    """The target as it was stated: of all columns, and without the layer that it is scored on."""
    return pinned.target if isinstance(pinned, PinnedPart) else pinned


def is_incomplete(pinned: Pinned) -> bool:
    """Whether it has some columns of a target alone."""
    return isinstance(pinned, PinnedPart) and pinned.columns != slice(None)
