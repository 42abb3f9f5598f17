"""Sensitivity-n: whether a map's sums are what the score loses, over subsets of several sizes (Ancona et al. 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from xaikit import hookimpl
from xaikit.metric import MetricView
from xaikit_metrics._subsets import Subsets, checked_shares


@dataclass(frozen=True)
class SensitivityN(Subsets):
    """The faithfulness correlation of subsets of each size, and their mean: 1 for the exact attribution of an additive model.

    The correlations are kept as ``correlations``, one a size.

    Cost: draws scores of a photograph for each size, whatever the number of its maps; shared with infidelity.
    Fails: as faithfulnesscorrelation does.
    Peers: Quantus has it of pixels, and counts a map that is constant as 0.

    shares  of the blocks that the subsets have
    """

    shares: tuple[float, ...] = (0.1, 0.3, 0.5, 0.7)

    equation: ClassVar[str] = "mean_n r(sum_{i in I} a_i, s(x) - s(x without I)) over random I of n blocks"
    citation: ClassVar[str] = "Ancona et al. 2018, arXiv:1711.06104, section 3.1"
    suites: ClassVar[frozenset[str]] = frozenset({"full"})
    examples: ClassVar[tuple[dict[str, object], ...]] = ({"shares": (0.2, 0.6)},)
    higher_is_better: ClassVar[bool] = True
    range: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    chance: ClassVar[float] = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "shares", checked_shares(*self.shares))  # of YAML it is a list

    @property
    def further(self) -> int:
        """The score without each subset."""
        return self.draws * len(self.shares)

    def measure(self, view: MetricView) -> Tensor:
        """(N, T), from -1 to 1; NaN where the map gives, or the score loses, the same for all subsets of a size."""
        correlations = torch.stack([self.correlation(view, share) for share in self.shares], 2)
        view.keep("correlations", correlations)
        return correlations.mean(2)


@hookimpl
def xaikit_metric() -> type:
    return SensitivityN
