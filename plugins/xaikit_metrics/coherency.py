"""Coherency: whether what a map shows is explained by the same map (Poppi et al. 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from xaikit import hookimpl
from xaikit.metric import MetricNeeds, MetricView, Policy
from xaikit_metrics._coherency import coherency
from xaikit_metrics._imputers import Filling


@dataclass(frozen=True)
class Coherency:
    """(1 + r) / 2, where r is the correlation of the map with that of the same method, for the same target and with the same
    draws, at what the map shows: x_m = x M + f (1 - M) with the filling f. A constant map has none, and gets 0.

    Cost: 1 explanation. Of no suite: adcc keeps it.
    Fails: a method that does not look at the photograph is always coherent, random maps among them, which are drawn alike here.
    Peers: the authors' code is this one; pytorch-grad-cam draws anew, so that random maps lie near 1/2.

    imputer  what fills the rest
    reads    which map masks and is compared
    """

    imputer: Filling = "zero"
    reads: Policy = "minmax"

    needs: ClassVar[MetricNeeds] = MetricNeeds(explains=True)
    family: ClassVar[str] = "faithfulness"
    equation: ClassVar[str] = "Coh = (1 + r(M(x), M(x_m))) / 2"
    citation: ClassVar[str] = "Poppi et al. 2021, arXiv:2104.10252, section 3"
    no_oracle: ClassVar[str] = "a map that does not look at the photograph is the most coherent of all"
    higher_is_better: ClassVar[bool] = True
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    @property
    def explanations(self) -> int:
        """Of what the map shows."""
        return 1

    def measure(self, view: MetricView) -> Tensor:
        """(N, T), from 0 to 1."""
        return coherency(view, self.imputer)


@hookimpl
def xaikit_metric() -> type:
    return Coherency
