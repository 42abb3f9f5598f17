"""ADCC: average drop, coherency and complexity in one number (Poppi et al. 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from xaikit import hookimpl
from xaikit.metric import MetricNeeds, MetricView
from xaikit_metrics._coherency import coherency, complexity
from xaikit_metrics._masked import Masked
from xaikit_metrics._scores import divisor


@dataclass(frozen=True)
class Adcc(Masked):
    """The harmonic mean of coherency, 1 - complexity and 1 - average drop, of each photograph; 0 where one of them is.

    All three are kept, as ``coherency``, ``complexity`` and ``averagedrop``: their means over photographs are comparable with
    published ones, whose ADCC is the mean of what this is.

    Cost: 1 score, shared with averagedrop of the same options, and 1 explanation.
    Fails: it cannot tell methods from those that ignore the class; a photograph whose score is lost makes 0 of all the rest.
    Peers: the authors' code scores the predicted class whatever was explained; here it is the target that was.
    """

    needs: ClassVar[MetricNeeds] = MetricNeeds(scores=True, explains=True)
    equation: ClassVar[str] = "ADCC = 3 / (1 / Coh + 1 / (1 - Com) + 1 / (1 - AD))"
    citation: ClassVar[str] = "Poppi et al. 2021, arXiv:2104.10252, equation 6"
    suites: ClassVar[frozenset[str]] = frozenset({"full"})
    higher_is_better: ClassVar[bool] = True
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    @property
    def explanations(self) -> int:
        """Of what the map shows."""
        return 1

    def measure(self, view: MetricView) -> Tensor:
        """(N, T), from 0 to 1; NaN where p is not above 0."""
        score = divisor(view, self.scored)
        drop = ((score - self.shown(view)).clamp(min=0) / score).double()
        parts = {"coherency": coherency(view, self.imputer), "complexity": complexity(view), "averagedrop": drop}
        for name, values in parts.items():
            view.keep(name, values)
        good = torch.stack([parts["coherency"], 1 - parts["complexity"], 1 - parts["averagedrop"]])
        # 1 / 0 is infinite, and the mean then 0
        return 3 / (1 / good.clamp(min=0)).sum(0)


@hookimpl
def xaikit_metric() -> type:
    return Adcc
