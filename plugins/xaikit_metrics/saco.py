"""SaCo: whether what a map ranks higher matters more, pair by pair of groups (Wu et al. 2024)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from xaikit import hookimpl
from xaikit.metric import MetricView
from xaikit_metrics._groups import Groups


@dataclass(frozen=True)
class Saco(Groups):
    """The salience-guided faithfulness coefficient: over all pairs of groups of blocks, by rank, the difference of what the map
    gives them, with the sign of whether the score loses more without the one that is given more.

    1 where every pair agrees, -1 where every pair contradicts, 0 for a map that is constant.

    Cost: groups scores, shared with monotonicity of the same options.
    Fails: it removes one group at a time, and does not see evidence that stands in for other evidence.
    Peers: the authors' code counts a pair whose losses are equal as agreeing, so that a model that never moves gets 1; here such
    a pair counts as neither. Groups are compared by place, which of groups of equal size is the same.
    """

    equation: ClassVar[str] = "SaCo = sum_{i<j} |s_i - s_j| sign((s_i - s_j) (d_i - d_j)) / sum_{i<j} |s_i - s_j|"
    citation: ClassVar[str] = "Wu et al. 2024 (CVPR), arXiv:2404.01415"
    suites: ClassVar[frozenset[str]] = frozenset({"full"})
    higher_is_better: ClassVar[bool] = True
    range: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    chance: ClassVar[float] = 0.0

    def measure(self, view: MetricView) -> Tensor:
        """(N, T), from -1 to 1; 0 where the map gives all groups the same."""
        given, lost = (values.unsqueeze(2) - values.unsqueeze(1) for values in self.apart(view))
        weights = given.abs().sum((1, 2))
        # the sign of NaN is 0
        agreeing = (given * lost.sign()).sum((1, 2)).masked_fill(lost.isnan().flatten(1).any(1), torch.nan)
        return (agreeing / torch.where(weights == 0, 1, weights)).unsqueeze(1)


@hookimpl
def xaikit_metric() -> type:
    return Saco
