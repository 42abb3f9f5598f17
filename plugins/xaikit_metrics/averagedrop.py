"""Average drop: how much of the probability is lost where only what the map shows is left (Chattopadhay et al. 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from xaikit import hookimpl
from xaikit.metric import MetricView
from xaikit_metrics._masked import Masked
from xaikit_metrics._scores import divisor


@dataclass(frozen=True)
class AverageDrop(Masked):
    """max(0, p - p_m) / p, where p_m is the probability of what the map shows: x_m = x M + f (1 - M) with the filling f.

    Cost: 1 score, shared with increase and averagegain of the same options.
    Fails: a map that is 1 nearly everywhere drops nothing, and most where it is hidden, in ``dropindeletion``; read both with
    ``averagegain``, in which such a map gains nothing, and ``complexity``. A constant map is 0 by ``minmax``, and drops all.
    Peers: pytorch-grad-cam's DropInConfidence is absolute and of logits unless told otherwise; TorchCAM's is this one.
    """

    equation: ClassVar[str] = "AD = max(0, p - p_m) / p"
    citation: ClassVar[str] = "Chattopadhay et al. 2018, arXiv:1710.11063, section 4.1"
    suites: ClassVar[frozenset[str]] = frozenset({"quick", "full"})
    higher_is_better: ClassVar[bool] = False

    @property
    def range(self) -> tuple[float, float]:
        """A share of p; a logit can lose more than all of itself."""
        return 0.0, self.lost

    def measure(self, view: MetricView) -> Tensor:
        """(N, T), a share of p; NaN where p is not above 0."""
        score = divisor(view, self.scored)
        return (score - self.shown(view)).clamp(min=0) / score


@hookimpl
def xaikit_metric() -> type:
    return AverageDrop
