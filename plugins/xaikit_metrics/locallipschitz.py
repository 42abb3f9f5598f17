"""Local Lipschitz estimate: how fast the map changes with the photograph (Alvarez-Melis and Jaakkola 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from xaikit import hookimpl
from xaikit.metric import MetricView, Policy
from xaikit_metrics._neighbours import Neighbours


@dataclass(frozen=True)
class LocalLipschitz(Neighbours):
    """The steepest change of the map on the way to photographs nearby, a unit of map a unit of input.

    Maps of unlike units cannot be compared by it: it reads the map in units of its largest value, and other policies show the
    method's own scale.

    Cost: draws explanations; methods that are judged together share the passes.
    Fails: as maxsensitivity does; and noise is not the direction in which the map changes most.
    Peers: Quantus' LocalLipschitzEstimate, which divides by the distance of normal noise.
    """

    reads: Policy = "minmax"

    equation: ClassVar[str] = "L = max_d |m(x + d) - m(x)| / |d|, d uniform in [-r, r]"
    citation: ClassVar[str] = "Alvarez-Melis, Jaakkola 2018, arXiv:1806.08049"

    def measure(self, view: MetricView) -> Tensor:
        """(N, T); NaN where the map is constant, or the photograph is of one value."""
        flat = view.maps.flatten(2)
        constant = flat.amax(2) == flat.amin(2)
        view.undefined("the map is constant", constant)
        slopes = [change / distance for distance, change in self.neighbours(view)]
        return torch.where(constant, torch.nan, torch.stack(slopes).amax(0))


@hookimpl
def xaikit_metric() -> type:
    return LocalLipschitz
