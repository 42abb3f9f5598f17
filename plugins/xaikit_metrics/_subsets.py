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

    def subsets(self, view: MetricView, share: float) -> Tensor:
        """Subsets that are a share of all blocks, (N, draws, blocks) of bool; larger ones contain smaller ones of the same
        number."""
        count = self.blocks(view).count
        size = min(max(round(share * count), 1), max(count - 1, 1))
        stream = view.stream("subsets")
        # one after another, so that more draws begin with the same
        orders = (stream.uniform(count).argsort(dim=1, stable=True) for _ in range(self.draws))
        return torch.stack([torch.zeros_like(order).bool().scatter_(1, order[:, :size], True) for order in orders], 1)

    def pairs(self, view: MetricView, share: float, maps: Tensor) -> tuple[Tensor, Tensor]:
        """The sum of maps (N, *S) over each subset, and what the score loses without it; (N, draws) both."""
        blocks, subsets = self.blocks(view), self.subsets(view, share)
        sums = blocks.sum(maps)
        given = torch.stack([(sums * subset).sum(1) for subset in subsets.unbind(1)], 1)
        about = ("subsets", share)
        scores = self.without(view, blocks, self.draws, lambda part: subsets[:, part], *about, of="photograph")
        return given, (clean(view, self.scored).unsqueeze(2) - scores)[:, 0].double()

    def correlation(self, view: MetricView, share: float) -> Tensor:
        """Of both, (N, T); NaN with a reason where one of them is the same for all subsets."""
        given, lost = self.pairs(view, share, view.maps[:, 0])
        whole = self.blocks(view).sum(view.maps[:, 0].abs()).sum(1)
        alike = is_constant(given, margin(whole)).unsqueeze(1)
        unmoved = is_constant(lost, margin(clean(view, self.scored)[:, 0])).unsqueeze(1)
        view.undefined("the map gives all subsets the same", alike)
        view.undefined("the score loses the same without any subset", unmoved)
        return pearson(given, lost).unsqueeze(1).masked_fill(alike | unmoved, torch.nan)


def checked_shares(*shares: float) -> tuple[float, ...]:
    """The shares, of a list too. Raises ValueError for what is no share of the blocks."""
    for share in shares:
        if not 0 < share < 1:
            raise ValueError(f"share: expected above 0 and below 1, got {share}")
    return shares
