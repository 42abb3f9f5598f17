"""Max-sensitivity: how much the map changes under noise that nobody sees (Yeh et al. 2019)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from xaikit import hookimpl
from xaikit.metric import MetricView
from xaikit_metrics._neighbours import Neighbours


@dataclass(frozen=True)
class MaxSensitivity(Neighbours):
    """The largest change of the map under noise of some draws, in units of its norm; the class that is explained stays.

    Cost: draws explanations; methods that are judged together share the passes.
    Fails: a map that never changes is best, whether it is right or not: look at it beside a metric of faithfulness.
    Peers: Captum's sensitivity_max and Quantus' MaxSensitivity, whose noise is in units of the input and not of its range.
    """

    equation: ClassVar[str] = "SENS = max_d |m(x + d) - m(x)| / |m(x)|, d uniform in [-r, r]"
    citation: ClassVar[str] = "Yeh et al. 2019, arXiv:1901.09392"

    def measure(self, view: MetricView) -> Tensor:
        """(N, T), a share of the norm of the map; NaN where that is 0, or the photograph is of one value."""
        norm = view.maps.flatten(2).norm(dim=2)
        view.undefined("the map is 0 everywhere", norm == 0)
        changes = [change + 0 * distance for distance, change in self.neighbours(view)]
        return torch.stack(changes).amax(0) / torch.where(norm == 0, torch.nan, norm)


@hookimpl
def xaikit_metric() -> type:
    return MaxSensitivity
