"""The photograph times its map, and what is left of the score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from xaikit.metric import MetricNeeds, MetricView, Policy, Scored
from xaikit_metrics._imputers import Imputer, filling


@dataclass(frozen=True)
class Masked:
    """The options of metrics that look at the photograph through its map.

    imputer  what fills the rest
    scored   which number of the target counts
    reads    which map masks
    """

    imputer: Imputer = "zero"
    scored: Scored = "probability"
    reads: Policy = "minmax"

    needs: ClassVar[MetricNeeds] = MetricNeeds(scores=True)
    family: ClassVar[str] = "faithfulness"

    @property
    def further(self) -> int:
        """The score of one masked photograph."""
        return 1

    def clean(self, view: MetricView) -> Tensor:
        """The score of the photograph as it is, (N, T), NaN with a reason where it is 0: nothing can be lost of it."""
        clean = view.scored(self.scored)
        view.undefined(f"the {self.scored} of the photograph itself is 0", clean == 0)
        view.undefined("the target is no class, and has no probability", clean.isnan())
        return torch.where(clean == 0, torch.nan, clean)

    def kept(self, view: MetricView) -> Tensor:
        """The score of what the map shows, (N, T)."""
        return self._score(view, view.maps, "shown")

    def hidden(self, view: MetricView) -> Tensor:
        """The score of the rest, (N, T)."""
        return self._score(view, 1 - view.maps, "hidden")

    def _score(self, view: MetricView, mask: Tensor, what: str) -> Tensor:
        fill = filling(view, self.imputer)
        masked = fill + (view.image - fill) * mask
        return view.rescore(1, lambda _: masked.unsqueeze(1), self.scored, (what, self.imputer)).squeeze(2)
