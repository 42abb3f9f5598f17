"""Complexity: how much of a photograph a map covers (Poppi et al. 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from xaikit import hookimpl
from xaikit.metric import MetricNeeds, MetricView, Policy
from xaikit_metrics._coherency import complexity


@dataclass(frozen=True)
class Complexity:
    """The mean of |M|: the complexity that is part of adcc.

    Cost: none.
    Fails: a constant map covers nothing, and is best; it is counted as dead. What it measures depends on what M is in units of:
    its maximum, unless ``reads`` says otherwise.
    Peers: pytorch-grad-cam and the authors' code are the same; Quantus' Complexity is an entropy, here ``entropy``.

    reads  which map is looked at
    """

    reads: Policy = "minmax"

    needs: ClassVar[MetricNeeds] = MetricNeeds()
    family: ClassVar[str] = "complexity"
    equation: ClassVar[str] = "Com = mean |M|"
    citation: ClassVar[str] = "Poppi et al. 2021, arXiv:2104.10252, section 3"
    suites: ClassVar[frozenset[str]] = frozenset({"full"})
    higher_is_better: ClassVar[bool] = False
    range: ClassVar[tuple[float, float]] = (0.0, float("inf"))

    def measure(self, view: MetricView) -> Tensor:
        """(N, T), in units of the map."""
        return complexity(view)


@hookimpl
def xaikit_metric() -> type:
    return Complexity
