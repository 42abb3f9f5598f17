"""Pixel average precision: how well a map ranks the places of its object before all others (Choe et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from xaikit import hookimpl
from xaikit.metric import MetricView, Policy
from xaikit_metrics._objects import Localisation, at_least


@dataclass(frozen=True)
class AveragePrecision(Localisation):
    """The area under precision over recall of places by their value, on each photograph; equal values are one step of it.
    Chance is the share of the frame that the objects take.

    Cost: a sort.
    Fails: of a map that covers a part of the object alone, places beyond it are ranked by what little they have.
    Peers: equal to scikit-learn's average_precision_score; PxAP of Choe et al. 2020 is that of the places of all photographs
    together, after each map was brought to [0, 1].

    of     which objects count: those of the explained class and of no stated class (target), or all (any)
    reads  which map is looked at
    """

    reads: Policy = "raw"

    equation: ClassVar[str] = "sum_t (R_t - R_(t-1)) P_t over thresholds t, descending"
    citation: ClassVar[str] = "Choe et al. 2020, arXiv:2001.07437, section 3.3"

    def chance(self, view: MetricView) -> Tensor:
        """The share of the frame that the objects take."""
        return self.area(view)

    def measure(self, view: MetricView) -> Tensor:
        """(N, T); NaN where no object is stated."""
        masks = self.masks(view)
        upto, hits = at_least(view.maps, masks)
        precision = torch.where(masks.flatten(2), hits / upto.double(), 0).sum(2)
        return self.stated(view, precision / masks.flatten(2).sum(2).clamp(min=1))


@hookimpl
def xaikit_metric() -> type:
    return AveragePrecision
