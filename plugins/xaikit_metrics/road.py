"""ROAD: removal of pixels that leaves no trace of where they were (Rong et al. 2022)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor

from xaikit import hookimpl
from xaikit.metric import MetricView
from xaikit_metrics._imputers import Imputer
from xaikit_metrics._removal import Removal
from xaikit_metrics._scores import clean


@dataclass(frozen=True)
class Road(Removal):
    """What the score loses in the mean without 10, 20, ... 90 % of the pixels, each imputed from its neighbours.

    Every removed pixel is the mean of its eight neighbours, direct ones with the weight 1/6 and diagonal ones with 1/12: one
    system of equations for all of them, solved exactly, and normal noise of 0.01 on top, without which a smooth place betrays
    itself.

    Which are removed goes by rank: so many as it says, and those least first are all that are not removed most first. Both curves
    are kept, as ``most_first`` and ``least_first``.

    Cost: 2 (steps - 1) scores, and as many sparse systems: seconds a map of 224 x 224 on one core. Larger blocks are no faster.
    Fails: for a model that knows the object by its outline, or by colour: those survive imputation.
    Peers: pytorch-grad-cam (``order: combined``) removes by the threshold ``map < percentile``: of a map that is exactly 0 in
    most places, that is every pixel for most first, and nearly every one for least first. On dense maps it is this one. Quantus
    scores the first batch alone.

    order  most influential first (morf), least (lerf), or half the sum of both values, which chance has at 0
    """

    imputer: Imputer = "road"
    block: int = 1
    steps: int = 10
    order: Literal["combined", "morf", "lerf"] = "combined"

    equation: ClassVar[str] = (
        "morf = mean_k (s(x) - s(x_k)), lerf = mean_k (s(x'_k) - s(x)), combined = (morf + lerf) / 2"
    )
    citation: ClassVar[str] = "Rong et al. 2022, arXiv:2202.00449"
    suites: ClassVar[frozenset[str]] = frozenset({"full"})
    higher_is_better: ClassVar[bool] = True
    range: ClassVar[tuple[float, float]] = (-math.inf, math.inf)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.steps < 2:
            raise ValueError(f"steps: expected 2 or more, between which something is left, got {self.steps}")

    @property
    def chance(self) -> float | None:
        """0 of both orders together; of one alone nobody knows."""
        return 0.0 if self.order == "combined" else None

    @property
    def further(self) -> int:
        """Scores between the photograph and nothing of it, for each order."""
        return (self.steps - 1) * (2 if self.order == "combined" else 1)

    def measure(self, view: MetricView) -> Tensor:
        """(N, T), in units of the score."""
        score = clean(view, self.scored)
        values = []
        if self.order != "lerf":
            values.append(score - self._mean(view, most_first=True))
        if self.order != "morf":
            values.append(self._mean(view, most_first=False) - score)
        return sum(values[1:], values[0]) / len(values)

    def _mean(self, view: MetricView, most_first: bool) -> Tensor:
        scores = self.between(view, most_first)
        view.keep("most_first" if most_first else "least_first", scores)
        return scores.mean(2)


@hookimpl
def xaikit_metric() -> type:
    return Road
