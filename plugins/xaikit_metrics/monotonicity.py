"""Monotonicity: whether blocks that a map gives more matter more (Nguyen and Martinez 2020; Arya et al. 2019)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from xaikit import hookimpl
from xaikit.metric import MetricView
from xaikit_metrics._groups import Groups
from xaikit_metrics._removal import Removal
from xaikit_metrics._scores import margin
from xaikit_metrics._statistics import spearman


@dataclass(frozen=True)
class Monotonicity(Groups):
    """The rank correlation between |what the map gives a group of blocks| and (what the score loses without it)^2.

    Cost: groups scores, shared with saco (correlation), or as many (strict).
    Fails: the magnitudes of a map of positive evidence alone say nothing of negative evidence; read saco for a signed one.
    Peers: Quantus' MonotonicityCorrelation draws the removed values, and takes the mean of the squares. Its Monotonicity, and
    AIX360's, ask only that no step falls, so that a model that never moves passes.

    variant  correlation, or strict: 1 where the score never falls while the groups come back, the lowest first, and rises on the
             whole; else 0
    """

    variant: Literal["correlation", "strict"] = "correlation"

    equation: ClassVar[str] = "Spearman(|a_g|, (s(x) - s(x without g))^2)"
    citation: ClassVar[str] = "Nguyen, Martinez 2020, arXiv:2007.07584; strict: Arya et al. 2019, arXiv:1909.03012"
    suites: ClassVar[frozenset[str]] = frozenset({"full"})
    higher_is_better: ClassVar[bool] = True
    range: ClassVar[tuple[float, float]] = (-1.0, 1.0)

    @property
    def chance(self) -> float | None:
        """0 of a correlation."""
        return 0.0 if self.variant == "correlation" else None

    def measure(self, view: MetricView) -> Tensor:
        """(N, T), from -1 to 1, or 0 and 1; NaN where all groups are given, or lose, the same."""
        if self.variant == "strict":
            return self._strict(view)
        given, lost = (values.abs() for values in self.apart(view))
        value = spearman(given, lost).unsqueeze(1)
        view.undefined("the map gives all groups the same, or the score loses the same without any", value.isnan())
        return value

    def _strict(self, view: MetricView) -> Tensor:
        removal = Removal(self.imputer, self.block, self.scored, self.reads, steps=self.groups)
        curve = removal.curve(view, most_first=True)
        view.keep("most_first", curve)
        least = margin(curve[..., :1])
        holds = (curve.diff(dim=2) <= least).all(2) & (curve[..., 0] - curve[..., -1] > least[..., 0])
        return torch.where(curve.isnan().any(2), torch.nan, holds.to(curve))


@hookimpl
def xaikit_metric() -> type:
    return Monotonicity
