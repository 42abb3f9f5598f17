"""Everything that one pass saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from torch import Tensor

from xaikit.errors import XaikitError
from xaikit.evidence.attention import Attention
from xaikit.evidence.biases import Bias
from xaikit.evidence.pinned import PinnedTogether
from xaikit.evidence.taps import Tap
from xaikit.layouts import Layout, MapLayout
from xaikit.passes.nests import Path, led_by
from xaikit.targets import Pinned


@dataclass(frozen=True)
class Place:
    """Where exactly a tap's evidence was found: the way to the tensor, at which call of the module, and its layout."""

    path: Path
    turn: int
    layout: MapLayout


@dataclass(frozen=True)
class Origin:
    """The input that a tap is a map of: the way to it, how it is arranged, and its spatial shape."""

    path: Path
    layout: MapLayout
    space: tuple[int, ...]


@dataclass(frozen=True)
class Trace:
    """Everything that one pass saw, at all taps and for all targets.

    inputs       as the model received them
    space        the spatial shape of the (first) input
    output       detached, as ``model.output`` selects it
    pinned       the targets, in order; ``columns`` has the place of each on the T axis
    scores       (N, T)
    activations  (N, C, *S) by tap
    gradients    (N, T, C, *S) by tap; empty where nobody needs them
    places       where the evidence of a tap was found, so that another pass can put something in its place
    attention    of all blocks in order; empty where nobody needs it
    biases       of all layers that add something, likewise
    refused      taps that this model does not have, and why; methods that need them fail, and no others
    input_layout  how the (first) input is arranged
    origins      of taps that are maps of another input than the first
    dependent    whether the samples are known to depend on each other
    rest         the first column of all targets that another pass is for, where this one does not serve them all
    """

    inputs: Any
    space: tuple[int, ...]
    output: Any
    pinned: tuple[Pinned, ...]
    columns: tuple[slice, ...]
    scores: Tensor
    activations: Mapping[Tap, Tensor]
    gradients: Mapping[Tap, Tensor]
    places: Mapping[Tap, Place]
    attention: tuple[Attention, ...] = ()
    biases: tuple[Bias, ...] = ()
    refused: Mapping[Tap, XaikitError] = field(default_factory=dict)
    input_layout: MapLayout = field(default_factory=Layout)
    origins: Mapping[Tap, Origin] = field(default_factory=dict)
    dependent: bool = False
    rest: int | None = None

    def served(self, tap: Tap) -> Tap:
        """The tap, if the model has it. Raises ConfigError or Disconnected."""
        if tap in self.refused:
            # a new one each time: notes are added to what is raised
            raise type(self.refused[tap])(str(self.refused[tap]))
        return tap

    def at(self, tap: Tap) -> Trace:
        """The same pass, whose first input is the one that the tap is a map of."""
        if tap not in self.origins:
            return self
        origin = self.origins[tap]
        inputs = led_by(self.inputs, origin.path)
        return replace(self, inputs=inputs, space=origin.space, input_layout=origin.layout)

    def placed(self, places: Sequence[int], among: Trace) -> Trace:
        """The same pass, whose targets are those at some places of another's; of all others it knows nothing."""
        by_place = dict(zip(places, self.columns, strict=True))
        columns = tuple(by_place.get(place, slice(0, 0)) for place in range(len(among.columns)))
        return replace(self, pinned=among.pinned, columns=columns)

    def narrowed(self, targets: Sequence[int], taps: Sequence[Tap]) -> Trace:
        """The same pass for some of its targets, which become one, at some of its taps.

        Nothing is copied where the columns of these targets lie side by side.

        Args:
            targets: their places among the pinned ones, ascending.
        """
        columns = [self.columns[place] for place in targets]
        pinned = [self.pinned[place] for place in targets]
        chosen: slice | list[int] = slice(columns[0].start, columns[-1].stop)
        if any(one.stop != other.start for one, other in pairwise(columns)):
            chosen = [column for part in columns for column in range(part.start, part.stop)]
        scores = self.scores[:, chosen]
        return replace(
            self,
            pinned=(pinned[0] if len(pinned) == 1 else PinnedTogether(tuple(pinned)),),
            columns=(slice(0, scores.shape[1]),),
            scores=scores,
            activations={tap: self.activations[self.served(tap)] for tap in taps},
            gradients={tap: self.gradients[tap][:, chosen] for tap in taps if tap in self.gradients},
            attention=tuple(one.narrowed(chosen) for one in self.attention),
            biases=tuple(one.narrowed(chosen) for one in self.biases),
        )
