"""Removal step by step: the score while a photograph loses its blocks, by the rank that a map gives them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from xaikit.metric import MetricNeeds, MetricView, Policy, Scored
from xaikit_metrics._blocks import Blocks, blocks_of, ranked
from xaikit_metrics._imputers import Imputer, filling


@dataclass(frozen=True)
class Removal:
    """The options of metrics that remove blocks in order.

    imputer  what takes their place
    block    pixels a side
    steps    from the whole photograph to nothing of it
    scored   which number of the target is followed
    reads    which map ranks the blocks
    """

    imputer: Imputer = "blur"
    block: int = 8
    steps: int = 14
    scored: Scored = "probability"
    reads: Policy = "ranks"

    needs: ClassVar[MetricNeeds] = MetricNeeds(scores=True)
    family: ClassVar[str] = "faithfulness"

    def __post_init__(self) -> None:
        for name in ("block", "steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected 1 or more, got {getattr(self, name)}")

    def curve(self, view: MetricView, most_first: bool) -> Tensor:
        """The scores after 0, 1, ... ``steps`` steps, (N, T, steps + 1): those of highest rank go first, or of lowest."""
        image, fill = view.image, filling(view, self.imputer)
        blocks = blocks_of(view.shape[2:], self.block, image.device)
        ranks = ranked(blocks.mean(view.maps[:, 0]), view)
        place = ranks if most_first else blocks.count - 1 - ranks
        numbers = torch.linspace(0, blocks.count, self.steps + 1, device=image.device).round()

        def make(part: slice) -> Tensor:
            return removed(image, fill, blocks, place, numbers[1:-1][part])

        about = (self.imputer, self.block, self.steps, most_first)
        between = view.rescore(self.steps - 1, make, self.scored, ("removed", *about)) if self.steps > 1 else None
        blank = view.rescore(1, lambda _: fill.unsqueeze(1), self.scored, ("blank", self.imputer))
        parts = [view.scored(self.scored).unsqueeze(2), *([] if between is None else [between]), blank]
        return torch.cat(parts, 2)


def removed(image: Tensor, fill: Tensor, blocks: Blocks, place: Tensor, counts: Tensor) -> Tensor:
    """The photographs (N, m, C, *S) without the first ``counts`` (m,) blocks by ``place`` (N, count)."""
    gone = place.unsqueeze(1) < counts.reshape(1, -1, 1)
    mask = blocks.spread(gone).unsqueeze(2)
    return torch.where(mask, fill.unsqueeze(1), image.unsqueeze(1))


def area(curve: Tensor) -> Tensor:
    """The mean height of a curve (N, T, K) over its length, by trapezoids."""
    return torch.trapezoid(curve, dim=2) / (curve.shape[2] - 1)
