"""Model parameter randomisation test: whether the map changes as the model forgets (Adebayo et al. 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from xaikit import hookimpl
from xaikit.metric import MetricNeeds, MetricView, Policy
from xaikit_metrics._randomised import randomise, stages_of
from xaikit_metrics._similarity import Similarity, is_constant, similarity, without_constant


@dataclass(frozen=True)
class ParameterRandomisation:
    """How alike the map stays, in the mean, while the layers of a copy of the model are drawn anew from the top to the bottom.

    The similarity after each stage is kept as ``similarity``; what remains after the last is a map of no knowledge at all.

    Cost: steps explanations, by a model of its own, which all photographs share.
    Fails: a map that is noise, drawn anew each time, passes; one that follows the edges of the photograph keeps them. The top is
    the layer that is defined last, which need not run last.
    Peers: Quantus' MPRT, which draws weights as the layers' constructors do, with batch normalisation forgotten.

    steps       stages; as many as the model has layers with weights, where these are fewer
    similarity  what alike means
    absolute    whether magnitudes are compared, whatever their sign
    reads       which map is compared
    """

    steps: int = 5
    similarity: Similarity = "spearman"
    absolute: bool = False
    reads: Policy = "raw"

    needs: ClassVar[MetricNeeds] = MetricNeeds(model=True)
    family: ClassVar[str] = "randomisation"
    equation: ClassVar[str] = "MPRT = mean_l similarity(m(theta), m(theta with the layers from l up at random))"
    citation: ClassVar[str] = "Adebayo et al. 2018, arXiv:1810.03292"
    suites: ClassVar[frozenset[str]] = frozenset({"full"})
    higher_is_better: ClassVar[bool] = False
    range: ClassVar[tuple[float, float]] = (-1.0, 1.0)

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"steps: expected 1 or more, got {self.steps}")

    @property
    def explanations(self) -> int:
        """One a stage."""
        return self.steps

    def measure(self, view: MetricView) -> Tensor:
        """(N, T); NaN where a map is constant, or the model has no weights."""
        maps, model, draw = without_constant(view, self.absolute), view.copied_model(), view.weights("mprt")
        stages = stages_of(model, self.steps)
        values = [torch.full_like(maps.flatten(2)[..., 0], torch.nan)] if not stages else []
        view.undefined("the model has no weights", torch.full(view.shape[:2], not stages))
        for layers in stages:
            randomise(layers, draw)
            other = view.explain_with(model)
            other = other.abs() if self.absolute else other
            view.undefined("a map of the model at random is constant", is_constant(other))
            values.append(similarity(self.similarity, maps, other))
        view.keep("similarity", torch.stack(values, 2))
        return torch.stack(values, 2).mean(2)


@hookimpl
def xaikit_metric() -> type:
    return ParameterRandomisation
