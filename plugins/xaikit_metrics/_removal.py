"""Removal step by step: the score while a photograph loses its blocks, by the rank that a map gives them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from xaikit.metric import MetricView, Policy
from xaikit_metrics._blocks import ranked
from xaikit_metrics._imputers import Imputer, imputation
from xaikit_metrics._occlusion import Occlusion, at_least_one
from xaikit_metrics._scores import clean


@dataclass(frozen=True)
class Removal(Occlusion):
    """The options of metrics that remove blocks in order.

    steps  from the whole photograph to nothing of it
    reads  which map ranks the blocks
    """

    imputer: Imputer = "blur"
    steps: int = 14
    reads: Policy = "ranks"

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least_one(self, "steps")

    def curve(self, view: MetricView, most_first: bool) -> Tensor:
        """The scores after 0, 1, ... ``steps`` steps, (N, T, steps + 1): the blocks of highest rank go first, or those of
        lowest."""
        return torch.cat([clean(view, self.scored).unsqueeze(2), self.between(view, most_first), self._blank(view)], 2)

    def between(self, view: MetricView, most_first: bool) -> Tensor:
        """The same without both ends, (N, T, steps - 1)."""
        if self.steps == 1:
            return view.maps.new_empty(*view.shape[:2], 0)
        blocks = self.blocks(view)
        ranks, total = ranked(blocks, view.maps[:, 0], view), blocks.present.sum(1, keepdim=True)
        place = ranks if most_first else total - 1 - ranks
        numbers = torch.arange(1, self.steps, device=ranks.device)
        # the nearest whole number of blocks, in whole numbers
        counts = (2 * numbers * total + self.steps) // (2 * self.steps)

        def gone(part: slice) -> Tensor:
            return place.unsqueeze(1) < counts[:, part].unsqueeze(2)

        return self.without(view, blocks, self.steps - 1, gone, "removed", self.steps, most_first)

    def _blank(self, view: MetricView) -> Tensor:
        """The score where all is removed, (N, T, 1)."""
        impute = imputation(view, self.imputer)
        everything = torch.ones(len(view.maps), 1, *view.shape[2:], dtype=torch.bool, device=view.image.device)
        return view.rescore(1, lambda _: impute(everything), self.scored, ("blank", self.imputer), "photograph")


def area(curve: Tensor) -> Tensor:
    """The mean height of a curve (N, T, K) over its length, by trapezoids."""
    return torch.trapezoid(curve, dim=2) / (curve.shape[2] - 1)
