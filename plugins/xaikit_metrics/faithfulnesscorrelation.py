"""Faithfulness correlation: whether random subsets that a map gives more matter more (Bhatt et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from xaikit import hookimpl
from xaikit.metric import MetricView
from xaikit_metrics._subsets import Subsets, checked_shares


@dataclass(frozen=True)
class FaithfulnessCorrelation(Subsets):
    """The correlation, over random subsets of blocks of one size, of what the map gives a subset and what the score loses without
    it.

    Cost: draws scores of a photograph, whatever the number of its maps.
    Fails: it needs the signs and units of the map: of one that was rectified it sees half the evidence. Few draws are a noisy
    correlation: its deviation is about 1 / sqrt(draws).
    Peers: Quantus draws subsets of pixels, of each map others.

    share  of the blocks that a subset has
    """

    draws: int = 100
    share: float = 0.1

    equation: ClassVar[str] = "r(sum_{i in I} a_i, s(x) - s(x without I)) over random I"
    citation: ClassVar[str] = "Bhatt, Weller, Moura 2020, arXiv:2005.00631"
    suites: ClassVar[frozenset[str]] = frozenset({"full"})
    higher_is_better: ClassVar[bool] = True
    range: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    chance: ClassVar[float] = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        checked_shares(self.share)

    @property
    def further(self) -> int:
        """The score without each subset."""
        return self.draws

    def measure(self, view: MetricView) -> Tensor:
        """(N, T), from -1 to 1; NaN where the map gives, or the score loses, the same for all subsets."""
        return self.correlation(view, self.share)


@hookimpl
def xaikit_metric() -> type:
    return FaithfulnessCorrelation
