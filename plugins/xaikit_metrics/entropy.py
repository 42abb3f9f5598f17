"""Entropy: over how many places a map spreads what it has (Bhatt et al. 2020)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from xaikit import hookimpl
from xaikit.metric import MetricNeeds, MetricView, Policy


@dataclass(frozen=True)
class Entropy:
    """The entropy of |m| as shares of its sum, in nats: 0 for a dot, ln d for a map that is equal on all d places.

    Cost: none.
    Fails: it does not ask whether the map is right; and maps of unlike size cannot be compared, as a larger one has more places.
    Peers: Quantus' Complexity, which is NaN where it is handed negative values.

    reads  which map is looked at
    """

    reads: Policy = "rectified"

    needs: ClassVar[MetricNeeds] = MetricNeeds()
    family: ClassVar[str] = "complexity"
    equation: ClassVar[str] = "H = -sum_i p_i ln p_i, p_i = |m_i| / sum_j |m_j|"
    citation: ClassVar[str] = "Bhatt, Weller, Moura 2020, arXiv:2005.00631"
    suites: ClassVar[frozenset[str]] = frozenset({"full"})
    higher_is_better: ClassVar[bool] = False
    range: ClassVar[tuple[float, float]] = (0.0, math.inf)

    def measure(self, view: MetricView) -> Tensor:
        """(N, T); NaN where the map is 0 everywhere."""
        values = view.maps.flatten(2).abs().double()
        total = values.sum(2, keepdim=True)
        view.undefined("the map is 0 everywhere", total.squeeze(2) == 0)
        terms: Tensor = torch.special.entr(values / torch.where(total == 0, torch.nan, total))
        return terms.sum(2)


@hookimpl
def xaikit_metric() -> type:
    return Entropy
