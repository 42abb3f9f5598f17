"""Effective complexity: how little of the photograph the map has to show for the score to stay (Nguyen and Martinez 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from xaikit import hookimpl
from xaikit.metric import MetricView
from xaikit_metrics._imputers import Imputer
from xaikit_metrics._removal import Removal


@dataclass(frozen=True)
class EffectiveComplexity(Removal):
    """The least share of the blocks, those of the highest rank, that has the score of the whole photograph within a tolerance.

    The shares that are tried are 0, 1/steps, ... 1; the loss is |s - s_k| / |s| with s_k the score of the k highest blocks alone.

    Cost: steps scores, shared with insertion of the same options.
    Fails: a score that is the same without the photograph needs nothing of it, and any map is simple then: so does that of a
    blurred one often, which is why the imputer is another than elsewhere.
    Peers: Quantus' EffectiveComplexity counts the values of the map above a number, and asks the model nothing.

    tolerance  of the loss, as a share of the score
    """

    imputer: Imputer = "zero"
    tolerance: float = 0.1

    equation: ClassVar[str] = "EC = min k / d with |s(x) - s(x without all but the k highest)| <= e |s(x)|"
    citation: ClassVar[str] = "Nguyen, Martinez 2020, arXiv:2007.07584"
    family: ClassVar[str] = "complexity"
    suites: ClassVar[frozenset[str]] = frozenset({"full"})
    higher_is_better: ClassVar[bool] = False
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    @property
    def further(self) -> int:
        """Scores of the curve but its first."""
        return self.steps

    def measure(self, view: MetricView) -> Tensor:
        """(N, T), a share of the blocks; NaN where the score is 0."""
        curve = self.curve(view, most_first=False).flip(2)
        whole = curve[..., -1:]
        view.undefined(f"the {self.scored} of the photograph itself is 0", whole.squeeze(2) == 0)
        enough = (curve - whole).abs() <= self.tolerance * whole.abs()
        least = enough.to(curve).argmax(2) / self.steps
        return torch.where(curve.isnan().any(2) | (whole.squeeze(2) == 0), torch.nan, least.to(curve))


@hookimpl
def xaikit_metric() -> type:
    return EffectiveComplexity
