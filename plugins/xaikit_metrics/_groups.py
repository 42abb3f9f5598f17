"""Groups of blocks, by rank, and what the score loses without each alone."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from xaikit.metric import MetricView
from xaikit_metrics._blocks import ranked
from xaikit_metrics._occlusion import Occlusion, at_least_one
from xaikit_metrics._scores import clean, margin
from xaikit_metrics._statistics import levels


@dataclass(frozen=True)
class Groups(Occlusion):
    """The options of metrics that remove one group of blocks at a time.

    groups  from the highest blocks to the lowest, of equally many
    """

    groups: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least_one(self, "groups")

    @property
    def further(self) -> int:
        """The score without each group."""
        return self.groups

    def apart(self, view: MetricView) -> tuple[Tensor, Tensor]:
        """What the map gives to a place of each group in the mean, and what the score loses for each of those places, (N, K)
        both, each in a unit of its own that is too small to matter: what differs by rounding alone is equal."""
        blocks, maps = self.blocks(view), view.maps[:, 0]
        count = min(self.groups, blocks.count)
        group = ranked(blocks, maps, view) * count // blocks.count
        numbers = torch.arange(count, device=group.device)

        def gone(part: slice) -> Tensor:
            return group.unsqueeze(1) == numbers[part].reshape(1, -1, 1)

        def total(values: Tensor) -> Tensor:
            return values.new_zeros(len(group), count).scatter_add_(1, group, values)

        sizes = total(blocks.sizes.expand(len(group), -1))
        score = clean(view, self.scored)
        losses = score - self.without(view, blocks, count, gone, "groups", self.groups)[:, 0]
        given = total(blocks.sum(maps)) / sizes
        largest = maps.flatten(1).abs().amax(1, keepdim=True).double()
        return levels(given, margin(largest)), levels(losses.double(), margin(score.double())) / sizes
