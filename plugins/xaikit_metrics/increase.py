"""Increase in confidence: whether the probability rises where only what the map shows is left (Chattopadhay et al. 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from xaikit import hookimpl
from xaikit.metric import MetricView
from xaikit_metrics._masked import Masked
from xaikit_metrics._scores import clean, margin


@dataclass(frozen=True)
class Increase(Masked):
    """1 where p_m > p, else 0: with p_m the probability of what the map shows, x_m = x M + f (1 - M) with the filling f.

    A rise by less than a millionth of p is none: that much comes from the size of a batch.

    Cost: 1 score, shared with averagedrop and averagegain of the same options.
    Fails: it says nothing of a photograph that the model is sure of; averagegain says how far it rose.
    Peers: TorchCAM's, but for the margin; pytorch-grad-cam's IncreaseInConfidence is of logits unless told otherwise.
    """

    equation: ClassVar[str] = "IC = [p_m > p]"
    citation: ClassVar[str] = "Chattopadhay et al. 2018, arXiv:1710.11063, section 4.1"
    suites: ClassVar[frozenset[str]] = frozenset({"quick", "full"})
    higher_is_better: ClassVar[bool] = True
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def measure(self, view: MetricView) -> Tensor:
        """(N, T), 0 or 1; NaN where the target has no such score."""
        score, shown = clean(view, self.scored), self.shown(view)
        risen = (shown > score + margin(score)).to(score)
        return torch.where(score.isnan() | shown.isnan(), torch.nan, risen)


@hookimpl
def xaikit_metric() -> type:
    return Increase
