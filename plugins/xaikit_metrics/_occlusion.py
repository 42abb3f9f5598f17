"""Parts of a photograph are removed, and the score is read."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from xaikit.metric import MetricNeeds, MetricView, Policy, Scored, VariantsOf
from xaikit_metrics._blocks import Blocks, blocks_of
from xaikit_metrics._imputers import Imputer, imputation


@dataclass(frozen=True)
class Occlusion:
    """The options of metrics that remove blocks.

    imputer  what takes their place
    block    pixels a side
    scored   which number of the target is read
    reads    which map is judged
    """

    imputer: Imputer = "mean"
    block: int = 8
    scored: Scored = "probability"
    reads: Policy = "raw"

    needs: ClassVar[MetricNeeds] = MetricNeeds(scores=True)
    family: ClassVar[str] = "faithfulness"

    def __post_init__(self) -> None:
        at_least_one(self, "block")

    @property
    def division(self) -> Hashable:
        """What the blocks depend on beside the photograph."""
        return self.block

    def blocks(self, view: MetricView) -> Blocks:
        """What is removed together."""
        return blocks_of(view.shape[2:], self.block, view.image.device)

    def without(
        self,
        view: MetricView,
        blocks: Blocks,
        count: int,
        gone: Callable[[slice], Tensor],
        *about: Hashable,
        of: VariantsOf = "map",
    ) -> Tensor:
        """The scores (N, T, count) of ``count`` variants of each photograph.

        Args:
            gone: from a slice of range(count) to the blocks that those lack, (N, m, blocks) of bool.
            about: what that depends on.
        """
        impute = imputation(view, self.imputer)
        share = (*about, self.imputer, self.division)
        return view.rescore(count, lambda part: impute(blocks.spread(gone(part))), self.scored, share, of)


def at_least_one(metric: object, *names: str) -> None:
    """Raises ValueError where an option of a metric is below 1."""
    for name in names:
        if getattr(metric, name) < 1:
            raise ValueError(f"{name}: expected 1 or more, got {getattr(metric, name)}")
