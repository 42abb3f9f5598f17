"""Efficient model parameter randomisation test: what a map loses with the model's knowledge (Hedstroem et al. 2024)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from xaikit import hookimpl
from xaikit.metric import MetricNeeds, MetricView, Policy
from xaikit_metrics._randomised import randomise, stages_of
from xaikit_metrics._similarity import is_constant, without_constant


@dataclass(frozen=True)
class EfficientRandomisation:
    """The rise of the entropy of the map's histogram as all weights of a copy of the model are drawn anew, as a share of it.

    It compares no pixels, so that what the photograph puts into both maps, such as its edges, plays no part.

    Cost: 1 explanation, by a model of its own, which all photographs share.
    Fails: a map whose values are spread out already cannot rise.
    Peers: Quantus' EfficientMPRT, of the same histogram; its weights at random are those of the layers' constructors.

    bins      of the histogram, between the lowest and the highest value of each map
    absolute  whether magnitudes count, whatever their sign
    reads     which map is looked at
    """

    bins: int = 100
    absolute: bool = False
    reads: Policy = "raw"

    needs: ClassVar[MetricNeeds] = MetricNeeds(model=True)
    family: ClassVar[str] = "randomisation"
    equation: ClassVar[str] = "eMPRT = (H(m(theta at random)) - H(m)) / H(m), H = -sum_b p_b ln p_b over the histogram"
    citation: ClassVar[str] = "Hedstroem et al. 2024, arXiv:2401.06465"
    suites: ClassVar[frozenset[str]] = frozenset({"full"})
    higher_is_better: ClassVar[bool] = True
    range: ClassVar[tuple[float, float]] = (-1.0, math.inf)

    def __post_init__(self) -> None:
        if self.bins < 2:
            raise ValueError(f"bins: expected 2 or more, got {self.bins}")

    @property
    def explanations(self) -> int:
        """By the model at random."""
        return 1

    def measure(self, view: MetricView) -> Tensor:
        """(N, T), a share of the entropy; NaN where a map is constant."""
        maps, model, draw = without_constant(view, self.absolute), view.copied_model(), view.weights("mprt")
        for layers in stages_of(model, 1):
            randomise(layers, draw)
        other = view.explain_with(model)
        other = other.abs() if self.absolute else other
        view.undefined("the map of the model at random is constant", is_constant(other))
        before, after = (histogram_entropy(each, self.bins) for each in (maps, other))
        view.keep("before", before)
        view.keep("after", after)
        return (after - before) / before


def histogram_entropy(maps: Tensor, bins: int) -> Tensor:
    """The entropy of the histogram of maps (N, T, *S), (N, T) in nats; NaN where a map is constant."""
    flat = maps.flatten(2).double()
    low, high = flat.amin(2, keepdim=True), flat.amax(2, keepdim=True)
    share = (flat - low) / torch.where(high == low, torch.nan, high - low)
    places = (share * bins).nan_to_num(0).long().clamp(max=bins - 1)
    counts = flat.new_zeros(*flat.shape[:2], bins).scatter_add_(2, places, torch.ones_like(flat))
    entropy = torch.special.entr(counts / flat.shape[2]).sum(2)
    return torch.where(share.isnan().any(2), torch.nan, entropy).to(maps)


@hookimpl
def xaikit_metric() -> type:
    return EfficientRandomisation
