"""Symmetric relevance gain: how much longer the score lasts when what matters least goes first (Blücher et al. 2024)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from xaikit import hookimpl
from xaikit.metric import MetricView
from xaikit_metrics._removal import Removal, area


@dataclass(frozen=True)
class SymmetricRelevanceGain(Removal):
    """The area under the curve of removing the least influential blocks first, less that of the most influential first.

    Both curves are kept, as ``least_first`` and ``most_first``. A map that knows nothing has two equal curves in the mean, so
    chance is 0 whatever the imputer, which is why this one ranks methods alike under 40 ways to occlude where either curve alone
    does not.

    Cost: 2 (steps - 1) + 1 scores, shared with deletion and insertion of the same options.
    Fails: it follows the score of masked photographs, which no model has been trained on.
    Peers: none has it; Quantus and TorchCAM have its halves.
    """

    equation: ClassVar[str] = "SRG = AUC(least first) - AUC(most first)"
    citation: ClassVar[str] = "Blücher, Vielhaben, Strodthoff 2024, arXiv:2401.06654"
    suites: ClassVar[frozenset[str]] = frozenset({"quick", "full"})
    higher_is_better: ClassVar[bool] = True
    range: ClassVar[tuple[float, float]] = (-math.inf, math.inf)
    chance: ClassVar[float] = 0.0

    @property
    def further(self) -> int:
        """Scores of both curves and of the end that they share."""
        return 2 * (self.steps - 1) + 1

    def measure(self, view: MetricView) -> Tensor:
        """(N, T), in units of the score."""
        least, most = self.curve(view, most_first=False), self.curve(view, most_first=True)
        view.keep("least_first", least)
        view.keep("most_first", most)
        return area(least) - area(most)


@hookimpl
def xaikit_metric() -> type:
    return SymmetricRelevanceGain
