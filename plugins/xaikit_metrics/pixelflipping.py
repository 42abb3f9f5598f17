"""Pixel flipping: how much of the score is lost in the mean, the most influential blocks first (Bach et al. 2015)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from xaikit import hookimpl
from xaikit.metric import MetricView
from xaikit_metrics._imputers import Imputer
from xaikit_metrics._removal import Removal


@dataclass(frozen=True)
class PixelFlipping(Removal):
    """The area over the perturbation curve (AOPC): the mean of s(x) - s(x without the k highest blocks) over all k, 0 among them.

    The curve is kept as ``most_first``.

    Cost: steps scores, shared with deletion of the same options.
    Fails: as deletion does; it tells methods apart by what they lose, not by what they keep.
    Peers: Quantus spreads a map of one channel over all and flips channels, equal ones in an unstable order; here it is whole
    pixels.
    """

    imputer: Imputer = "black"

    equation: ClassVar[str] = "AOPC = sum_k (s(x) - s(x_k)) / (K + 1), k = 0..K"
    citation: ClassVar[str] = "Bach et al. 2015, doi:10.1371/journal.pone.0130140; Samek et al. 2017, arXiv:1509.06321"
    suites: ClassVar[frozenset[str]] = frozenset({"full"})
    higher_is_better: ClassVar[bool] = True
    range: ClassVar[tuple[float, float]] = (-math.inf, math.inf)

    @property
    def further(self) -> int:
        """Scores of the curve but its first."""
        return self.steps

    def measure(self, view: MetricView) -> Tensor:
        """(N, T), in units of the score."""
        curve = self.curve(view, most_first=True)
        view.keep("most_first", curve)
        return (curve[..., :1] - curve).mean(2)


@hookimpl
def xaikit_metric() -> type:
    return PixelFlipping
