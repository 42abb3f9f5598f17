"""The photograph times its map, and what is left of the score."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from xaikit.metric import MetricNeeds, MetricView, Policy, Scored
from xaikit_metrics._imputers import Filling, filling


@dataclass(frozen=True)
class Masked:
    """The options of metrics that look at the photograph through its map.

    imputer  what fills the rest
    scored   which number of the target counts
    reads    which map masks
    """

    imputer: Filling = "zero"
    scored: Scored = "probability"
    reads: Policy = "minmax"

    needs: ClassVar[MetricNeeds] = MetricNeeds(scores=True)
    family: ClassVar[str] = "faithfulness"

    @property
    def further(self) -> int:
        """The score of one masked photograph."""
        return 1

    @property
    def lost(self) -> float:
        """The largest share of a score that can be lost: all of a probability, more of what may fall below 0."""
        return 1.0 if self.scored == "probability" else math.inf

    def shown(self, view: MetricView) -> Tensor:
        """The score of what the map shows, (N, T)."""
        return self._score(view, masked(view, view.maps, self.imputer), "shown")

    def hidden(self, view: MetricView) -> Tensor:
        """The score of the rest, (N, T)."""
        return self._score(view, masked(view, 1 - view.maps, self.imputer), "hidden")

    def _score(self, view: MetricView, image: Tensor, what: str) -> Tensor:
        return view.rescore(1, lambda _: image.unsqueeze(1), self.scored, (what, self.imputer)).squeeze(2)


def masked(view: MetricView, mask: Tensor, imputer: Filling) -> Tensor:
    """The photographs (N, C, *S) through a mask (N, 1, *S), the rest filled."""
    fill = filling(view, imputer)
    return fill + (view.image - fill) * mask
