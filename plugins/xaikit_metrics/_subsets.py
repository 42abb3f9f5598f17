"""Random subsets of a photograph's blocks: what the map gives them, and what the score loses without them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from xaikit.metric import MetricView
from xaikit_metrics._imputers import Imputer
from xaikit_metrics._occlusion import Occlusion, at_least_one
from xaikit_metrics._scores import clean, margin
from xaikit_metrics._statistics import is_constant, pearson


@dataclass(frozen=True)
class Subsets(Occlusion):
    """The options of metrics that remove random subsets of blocks: of the photograph alone, so that all its maps share them.

    draws  subsets of each size
    """

    imputer: Imputer = "zero"
    draws: int = 50

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least_one(self, "draws")

    def gone(self, view: MetricView, share: float, part: slice) -> Tensor:
        """Some of the subsets that are a share of all blocks, (N, m, blocks) of bool; larger ones contain smaller ones of the
        same number."""
        count = self.blocks(view).count
        size = min(max(round(share * count), 1), max(count - 1, 1))
        streams = [view.stream(f"subset {number}") for number in range(self.draws)[part]]
        orders = [stream.uniform(count).argsort(dim=1, stable=True) for stream in streams]
        return torch.stack([torch.zeros_like(order).bool().scatter_(1, order[:, :size], True) for order in orders], 1)

    def given(self, view: MetricView, share: float, maps: Tensor) -> Tensor:
        """The sum of maps (N, *S) over each subset, (N, draws)."""
        sums = self.blocks(view).sum(maps)
        parts = [self.gone(view, share, slice(number, number + 1))[:, 0] for number in range(self.draws)]
        return torch.stack([(sums * part).sum(1) for part in parts], 1)

    def lost(self, view: MetricView, share: float) -> Tensor:
        """What the score loses without each subset, (N, draws)."""
        scores = self.without(
            view,
            self.blocks(view),
            self.draws,
            lambda part: self.gone(view, share, part),
            "subsets",
            share,
            of="photograph",
        )
        return (clean(view, self.scored).unsqueeze(2) - scores)[:, 0].double()

    def correlation(self, view: MetricView, share: float) -> Tensor:
        """Of both, (N, T); NaN with a reason where one of them is the same for all subsets."""
        given, lost = self.given(view, share, view.maps[:, 0]), self.lost(view, share)
        largest = self.given(view, share, view.maps[:, 0].abs()).amax(1)
        alike = is_constant(given, margin(largest)).unsqueeze(1)
        unmoved = is_constant(lost, margin(clean(view, self.scored)[:, 0])).unsqueeze(1)
        view.undefined("the map gives all subsets the same", alike)
        view.undefined("the score loses the same without any subset", unmoved)
        return pearson(given, lost).unsqueeze(1).masked_fill(alike | unmoved, torch.nan)


def check_shares(*shares: float) -> None:
    """Raises ValueError for what is no share of the blocks."""
    for share in shares:
        if not 0 < share < 1:
            raise ValueError(f"share: expected above 0 and below 1, got {share}")
