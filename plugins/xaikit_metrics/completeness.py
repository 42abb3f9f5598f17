"""Completeness: whether the map adds up to what the photograph adds to the score (Sundararajan et al. 2017)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from xaikit import hookimpl
from xaikit.metric import MetricNeeds, MetricView, Policy, Scored
from xaikit_metrics._imputers import Filling, filling
from xaikit_metrics._scores import clean, margin


@dataclass(frozen=True)
class Completeness:
    """How far the sum of the raw map is from the score less that of nothing, as a share of that.

    Cost: 1 score, shared with deletion, insertion and srg of the same imputer.
    Fails: only a method that promises it is bound by it: of class activation maps, HiResCAM and its like where what follows the
    layer is linear, and there up to what the layer sees in nothing.
    Peers: Quantus' Completeness says true or false, of equality to the last digit. Captum returns the difference as
    ``convergence_delta`` of its own methods.

    imputer  what nothing is
    scored   which number of the target is to be added up to
    """

    imputer: Filling = "zero"
    scored: Scored = "target"

    needs: ClassVar[MetricNeeds] = MetricNeeds(scores=True)
    reads: ClassVar[Policy] = "raw"
    family: ClassVar[str] = "axioms"
    equation: ClassVar[str] = "C = |sum_i m_i - (s(x) - s(nothing))| / |s(x) - s(nothing)|"
    citation: ClassVar[str] = "Sundararajan, Taly, Yan 2017, arXiv:1703.01365"
    suites: ClassVar[frozenset[str]] = frozenset({"full"})
    higher_is_better: ClassVar[bool] = False
    range: ClassVar[tuple[float, float]] = (0.0, math.inf)

    @property
    def further(self) -> int:
        """The score of nothing."""
        return 1

    def measure(self, view: MetricView) -> Tensor:
        """(N, T); NaN of several layers, whose maps have no common units, and where the photograph adds less than a millionth."""
        nothing = filling(view, self.imputer).unsqueeze(1)
        blank = view.rescore(1, lambda _: nothing, self.scored, ("blank", self.imputer), "photograph").squeeze(2)
        score = clean(view, self.scored)
        added = score - blank
        nothing_added = added.abs() <= margin(score)
        several = torch.full(view.shape[:2], len(view.raws) > 1, device=added.device)
        view.undefined("the map is of several layers", several)
        view.undefined("the photograph adds nothing to the score", nothing_added)
        total = view.raws[0].flatten(2).double().sum(2)
        return torch.where(several | nothing_added, torch.nan, (total - added).abs() / added.abs())


@hookimpl
def xaikit_metric() -> type:
    return Completeness
