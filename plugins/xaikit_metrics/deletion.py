"""Deletion: the score while the most influential blocks are removed first (Petsiuk et al. 2018)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from xaikit import hookimpl
from xaikit.metric import MetricView, Scored
from xaikit_metrics._imputers import Imputer
from xaikit_metrics._removal import Removal, area


@dataclass(frozen=True)
class Deletion(Removal):
    """The area under the curve of the score while blocks are removed, those of the highest rank first.

    The curve is kept as ``most_first``.

    Cost: steps scores, shared with srg of the same options.
    Fails: a map of scattered dots breaks any photograph, and scores well; look at insertion beside it, or at srg.
    Peers: TorchCAM and RISE rank pixels by an unstable sort, so that ties fall in the order of the rows.
    """

    imputer: Imputer = "zero"
    scored: Scored = "probability"

    equation: ClassVar[str] = "AUC of s(x without the k highest blocks) over k"
    citation: ClassVar[str] = "Petsiuk, Das, Saenko 2018, arXiv:1806.07421"
    suites: ClassVar[frozenset[str]] = frozenset({"full"})
    higher_is_better: ClassVar[bool] = False
    range: ClassVar[tuple[float, float]] = (-math.inf, math.inf)

    @property
    def further(self) -> int:
        """Scores of the curve but its first."""
        return self.steps

    def measure(self, view: MetricView) -> Tensor:
        """(N, T), in units of the score."""
        curve = self.curve(view, most_first=True)
        view.keep("most_first", curve)
        return area(curve)


@hookimpl
def xaikit_metric() -> type:
    return Deletion
