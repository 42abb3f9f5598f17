"""Sparseness: how unequally a map spreads what it has, the Gini index of its magnitudes (Chalasani et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from xaikit import hookimpl
from xaikit.metric import MetricNeeds, MetricView, Policy


@dataclass(frozen=True)
class Sparseness:
    """The Gini index of |m|: 0 for a map that is equal everywhere, near 1 for one that is a dot.

    Cost: none but a sort.
    Fails: it does not ask whether the map is right; a dot anywhere is sparse.
    Peers: Quantus' Sparseness, which this equals on maps without ties at zero.

    reads  which map is looked at
    """

    reads: Policy = "rectified"

    needs: ClassVar[MetricNeeds] = MetricNeeds()
    family: ClassVar[str] = "complexity"
    equation: ClassVar[str] = "G = 1 - 2 sum_i (m_(i) / sum m) (d - i + 1/2) / d, m ascending"
    citation: ClassVar[str] = "Chalasani et al. 2020, arXiv:1810.06583"
    suites: ClassVar[frozenset[str]] = frozenset({"quick", "full"})
    higher_is_better: ClassVar[bool] = True
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def measure(self, view: MetricView) -> Tensor:
        """(N, T); NaN where the map is 0 everywhere."""
        values = view.maps.flatten(2).abs().double().sort(2).values
        count = values.shape[2]
        weights = count - torch.arange(1, count + 1, device=values.device) + 0.5
        total = values.sum(2)
        view.undefined("the map is 0 everywhere", total == 0)
        shares = (values * weights).sum(2) / torch.where(total == 0, torch.nan, total)
        return 1 - 2 * shares / count


@hookimpl
def xaikit_metric() -> type:
    return Sparseness
