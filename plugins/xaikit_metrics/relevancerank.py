"""Relevance rank accuracy: how many of the highest places lie on the object, of as many as it has (Arras et al. 2022)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from xaikit import hookimpl
from xaikit.metric import MetricView, Policy
from xaikit_metrics._objects import Localisation, at_least


@dataclass(frozen=True)
class RelevanceRank(Localisation):
    """Of the K highest places of the map, the share that lies on the objects, which have K places. Chance is K's share of the
    frame.

    Of places that are equally high and not all among the K, each counts for the share of them that is.

    Cost: a sort.
    Fails: it does not ask how much higher the K places are.
    Peers: Quantus' RelevanceRankAccuracy, whose ties fall in the order of the rows.

    of  which objects count: those of the explained class and of no stated class (target), or all (any)
    """

    reads: ClassVar[Policy] = "raw"
    equation: ClassVar[str] = "|top_K(m) and object| / K, K = |object|"
    citation: ClassVar[str] = "Arras, Osman, Samek 2022, arXiv:2003.07258, section 3.3"

    def chance(self, view: MetricView) -> Tensor:
        """The share of the frame that the objects take."""
        return self.area(view)

    def measure(self, view: MetricView) -> Tensor:
        """(N, T), a share; NaN where no object is stated."""
        masks = self.masks(view)
        size = masks.flatten(2).sum(2)
        upto, hits = at_least(view.maps, masks)
        # the last places that are all among the K, and the first that are not: between them lie ties
        within = torch.where(upto <= size.unsqueeze(2), upto, 0).amax(2)
        sure = torch.where(upto <= size.unsqueeze(2), hits, 0).amax(2)
        beyond = torch.where(upto > size.unsqueeze(2), upto, upto.shape[2]).amin(2)
        likely = torch.where(upto > size.unsqueeze(2), hits, size.unsqueeze(2)).amin(2)
        share = (size - within) / (beyond - within).clamp(min=1).double()
        return self.stated(view, (sure + share * (likely - sure)) / size.clamp(min=1))


@hookimpl
def xaikit_metric() -> type:
    return RelevanceRank
