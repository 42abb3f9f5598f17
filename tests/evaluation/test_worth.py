"""Metrics are judged too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from xaikit.evaluation.worth import worth_of
from xaikit.metric import MetricNeeds, MetricView, Policy
from xaikit_metrics.averagedrop import AverageDrop
from xaikit_metrics.coherency import Coherency
from xaikit_metrics.energypointing import EnergyPointing
from xaikit_metrics.srg import SymmetricRelevanceGain


@pytest.mark.parametrize("metric", [SymmetricRelevanceGain(), AverageDrop(), EnergyPointing()])
def test_a_sound_metric_ranks_the_truth_first_and_reacts_to_the_model(metric: object) -> None:
    worth = worth_of(metric)  # type: ignore[arg-type]
    assert (worth.ranks, worth.reacts, worth.fails) == (True, True, "")


@dataclass(frozen=True)
class Backwards:
    """How much of a map lies where it is small: what knows nothing has most of it."""

    needs: ClassVar[MetricNeeds] = MetricNeeds()
    reads: ClassVar[Policy] = "minmax"
    higher_is_better: ClassVar[bool] = True
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def measure(self, view: MetricView) -> Tensor:
        return view.maps.flatten(2).mean(2)


@dataclass(frozen=True)
class Deaf(Backwards):
    """The same number whatever the map."""

    def measure(self, view: MetricView) -> Tensor:
        return torch.ones(view.shape[:2])


@dataclass(frozen=True)
class Raising(Backwards):
    """Made for other data."""

    no_oracle: ClassVar[str] = "it looks at series"

    def measure(self, view: MetricView) -> Tensor:
        raise ValueError("expected a series")


def test_a_metric_that_prefers_noise_is_marked() -> None:
    assert worth_of(Backwards()).fails.startswith("ranks noise above known evidence")


def test_a_metric_that_says_the_same_of_everything_is_marked_twice() -> None:
    assert worth_of(Deaf()).fails == "ranks noise above known evidence, does not react to random weights"


def test_one_that_says_why_it_need_not_rank_is_not_marked() -> None:
    worth = worth_of(Coherency())
    assert worth.why
    assert worth.fails == ""


def test_what_a_metric_raises_on_these_photographs_is_its_failure_whatever_it_says_of_itself() -> None:
    expected = "raises on photographs of known evidence (ValueError: expected a series)"
    assert worth_of(Raising()).fails == expected
