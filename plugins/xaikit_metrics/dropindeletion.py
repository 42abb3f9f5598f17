"""Average drop in deletion: how much of the probability is lost where what the map shows is hidden (Jung and Oh 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from xaikit import hookimpl
from xaikit.metric import MetricView
from xaikit_metrics._masked import Masked
from xaikit_metrics._scores import divisor


@dataclass(frozen=True)
class DropInDeletion(Masked):
    """max(0, p - p_h) / p, where p_h is the probability of what the map hides: x_h = x (1 - M) + f M with the filling f.

    Cost: 1 score.
    Fails: a map that is 1 nearly everywhere hides all and drops most, and averagedrop likes it as well; read both with
    averagegain and complexity. A constant map is 0 by ``minmax``, and hides nothing.
    Peers: as in the repository of Shapley-CAM, whose logs have it as ADD.
    """

    equation: ClassVar[str] = "ADD = max(0, p - p_h) / p"
    citation: ClassVar[str] = "Jung, Oh 2021 (LIFT-CAM), arXiv:2102.05228, section 4.1"
    suites: ClassVar[frozenset[str]] = frozenset({"quick", "full"})
    higher_is_better: ClassVar[bool] = True

    @property
    def range(self) -> tuple[float, float]:
        """A share of p; a logit can lose more than all of itself."""
        return 0.0, self.lost

    def measure(self, view: MetricView) -> Tensor:
        """(N, T), a share of p; NaN where p is not above 0."""
        score = divisor(view, self.scored)
        return (score - self.hidden(view)).clamp(min=0) / score


@hookimpl
def xaikit_metric() -> type:
    return DropInDeletion
