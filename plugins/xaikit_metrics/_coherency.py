"""Parts of ADCC that are metrics of their own."""

from __future__ import annotations

from torch import Tensor

from xaikit.metric import MetricView
from xaikit_metrics._imputers import Filling
from xaikit_metrics._masked import masked
from xaikit_metrics._statistics import pearson


def coherency(view: MetricView, imputer: Filling) -> Tensor:
    """How well the map agrees with that of what it shows, (N, T): the correlation from 0 to 1, and 0 for a map that is
    constant."""
    again = view.explain(masked(view, view.maps, imputer))
    correlation = pearson(view.maps.flatten(1), again.flatten(1))
    # a map that is not finite stays visible
    constant = [(maps.flatten(1) == maps.flatten(1)[:, :1]).all(1) for maps in (view.maps, again)]
    return ((1 + correlation) / 2).masked_fill(constant[0] | constant[1], 0.0).unsqueeze(1)


def complexity(view: MetricView) -> Tensor:
    """The mean of the magnitudes of a map, (N, T)."""
    return view.maps.abs().double().mean(view.space)
