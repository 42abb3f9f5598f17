"""Average gain: how much of what was missing to certainty what the map shows makes up (Zhang et al. 2024)."""

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
class AverageGain(Masked):
    """max(0, p_m - p) / (1 - p), where p_m is the probability of what the map shows: x_m = x M + f (1 - M) with the filling f.

    A rise by less than a millionth is none, and a probability so near 1 is 1: that much comes from the size of a batch, and would
    be all of what is missing to certainty.

    Cost: 1 score, shared with averagedrop and increase of the same options.
    Fails: it is 0 for most photographs of a confident model; read it with averagedrop, to which a map that is 1 but for a pixel
    looks perfect, and which gains nothing here.
    Peers: Xplique has it, of the class of the explanation, as here.
    """

    equation: ClassVar[str] = "AG = max(0, p_m - p) / (1 - p)"
    citation: ClassVar[str] = "Zhang et al. 2024 (Opti-CAM), arXiv:2301.07002, section 4.2"
    suites: ClassVar[frozenset[str]] = frozenset({"quick", "full"})
    higher_is_better: ClassVar[bool] = True
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def __post_init__(self) -> None:
        if self.scored != "probability":
            raise ValueError(f"scored: expected probability, of which 1 is the most there is, got {self.scored}")

    def measure(self, view: MetricView) -> Tensor:
        """(N, T), a share of 1 - p; NaN where p is 1."""
        score = clean(view, self.scored)
        least, missing = margin(score), 1 - score
        view.undefined("the probability of the photograph itself is 1", missing <= least)
        gain = (self.shown(view) - score).clamp(min=0)
        return gain.masked_fill(gain <= least, 0) / missing.masked_fill(missing <= least, torch.nan)


@hookimpl
def xaikit_metric() -> type:
    return AverageGain
