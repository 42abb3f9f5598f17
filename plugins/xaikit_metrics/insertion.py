"""Insertion: the score while the most influential blocks come back first (Petsiuk et al. 2018)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from xaikit import hookimpl
from xaikit.metric import MetricView
from xaikit_metrics._removal import Removal, area


@dataclass(frozen=True)
class Insertion(Removal):
    """The area under the curve of the score while blocks are put back into nothing, those of the highest rank first.

    What has come back after k steps is what is left when all others were removed, the lowest first: the curve is kept from the
    whole photograph down, as ``least_first``.

    Cost: steps scores, shared with srg of the same options.
    Fails: a photograph that is still recognised when blurred has all its area before anything came back; srg subtracts that.
    Peers: TorchCAM and RISE rank pixels by a sort that leaves ties in the order of the rows.
    """

    equation: ClassVar[str] = "AUC of s(nothing with the k highest blocks of x) over k"
    citation: ClassVar[str] = "Petsiuk, Das, Saenko 2018, arXiv:1806.07421"
    suites: ClassVar[frozenset[str]] = frozenset({"quick", "full"})
    higher_is_better: ClassVar[bool] = True
    range: ClassVar[tuple[float, float]] = (-math.inf, math.inf)

    @property
    def further(self) -> int:
        """Scores of the curve but its last."""
        return self.steps

    def measure(self, view: MetricView) -> Tensor:
        """(N, T), in units of the score."""
        curve = self.curve(view, most_first=False)
        view.keep("least_first", curve)
        return area(curve)


@hookimpl
def xaikit_metric() -> type:
    return Insertion
