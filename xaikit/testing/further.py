"""Between a metric and the engine: what it asks for is counted, or comes back without a value."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from xaikit.metric import Further, MakeVariants, MetricView, Scored, VariantsOf
from xaikit.testing.explaining import twin

Lost = Literal["", "all", "last"]


@dataclass
class Requested:
    """What a metric asked its view for, of one case.

    scores   of variants, those that are shared once
    maps     of the same method again
    classes  whether another class was explained
    """

    scores: int = 0
    maps: int = 0
    classes: bool = False
    _shared: set[tuple[Hashable, int]] = field(default_factory=set)

    def count(self, count: int, share: Hashable) -> None:
        """Variants of one call."""
        asked = {(share, number) for number in range(count)}
        self.scores += count if share is None else len(asked - self._shared)
        self._shared |= set() if share is None else asked


@dataclass(frozen=True)
class Watched:
    """See :class:`xaikit.metric.Further`: the same, counted; of the first case all is NaN, or the ``last`` variant or column."""

    further: Further
    requested: Requested
    lost: Lost = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.further, name)

    def score(self, scored: Scored) -> Tensor:
        values = self.further.score(scored)
        return self._without(values) if self.lost == "all" else values

    def rescore(self, count: int, make: MakeVariants, scored: Scored, share: Hashable, of: VariantsOf) -> Tensor:
        self.requested.count(count, share)
        return self._without(self.further.rescore(count, make, scored, share, of))

    def explain(self, inputs: Tensor) -> Tensor:
        self.requested.maps += 1
        return self._without(self.further.explain(inputs))

    def explain_class(self, classes: Tensor) -> Tensor:
        self.requested.maps += 1
        self.requested.classes = True
        return self._without(self.further.explain_class(classes))

    def explain_with(self, model: nn.Module, inputs: Tensor | None) -> Tensor:
        self.requested.maps += 1
        return self._without(self.further.explain_with(model, inputs))

    def case(self, row: int) -> Watched:
        """Of other cases than the first nothing is counted: each asks for the same."""
        requested = self.requested if row == 0 else Requested()
        return Watched(self.further.case(row), requested, self.lost if row == 0 else "")

    def _without(self, values: Tensor) -> Tensor:
        values = values.clone()
        if self.lost:
            values[0][..., slice(None) if self.lost == "all" else -1] = torch.nan
        return values


def watched(metric: Any, requested: Requested, lost: Lost = "") -> Any:
    """The same metric, whose view is watched."""

    def measure(self: Any, view: MetricView) -> Any:
        view._further = Watched(view._further, requested, lost)
        return type(metric).measure(self, view)

    return twin(metric, measure=measure)
