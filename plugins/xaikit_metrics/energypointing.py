"""Energy-based pointing game: the share of a map that lies on its object (Wang et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from xaikit import hookimpl
from xaikit.metric import MetricView, Policy
from xaikit_metrics._objects import Localisation, energy


@dataclass(frozen=True)
class EnergyPointing(Localisation):
    """What of the positive map lies on the objects, a share of all of it. Chance is the share of the frame that they take.

    A map that is positive nowhere is taken as an equal one, and gets chance.

    Cost: none.
    Fails: a map that shows the most telling part of an object and no more scores as one that covers all of it.
    Peers: Quantus' RelevanceMassAccuracy, which takes |m| or m as it is told to.

    of     which objects count: those of the explained class and of no stated class (target), or all (any)
    reads  which map is looked at
    """

    reads: Policy = "rectified"

    equation: ClassVar[str] = "sum_(i in object) m_i / sum_i m_i, m >= 0"
    citation: ClassVar[str] = "Wang et al. 2020, arXiv:1910.01279, section 4.3"

    def chance(self, view: MetricView) -> Tensor:
        """The share of the frame that the objects take."""
        return self.area(view)

    def measure(self, view: MetricView) -> Tensor:
        """(N, T), a share; NaN where no object is stated."""
        return self.stated(view, energy(view.maps, self.masks(view)))


@hookimpl
def xaikit_metric() -> type:
    return EnergyPointing
