"""Metrics with one fault each, and the check that has to find it."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from xaikit.metric import MetricNeeds, MetricView, Policy


@dataclass(frozen=True)
class Sound:
    """The probability without the lower half of the places, less that without the upper half; nothing is wrong with it."""

    reads: Policy = "ranks"

    needs: ClassVar[MetricNeeds] = MetricNeeds(scores=True)
    family: ClassVar[str] = "faithfulness"
    equation: ClassVar[str] = "M = p(x without the lower half) - p(x without the upper half)"
    citation: ClassVar[str] = "no paper"
    higher_is_better: ClassVar[bool] = True
    range: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    chance: ClassVar[float] = 0.0
    further: ClassVar[int] = 2

    def measure(self, view: MetricView) -> Tensor:
        return halves(view, view.generator.uniform(math.prod(view.shape[2:])))


def halves(view: MetricView, noise: Tensor) -> Tensor:
    """Ties fall by a number a place."""
    shuffled = noise.argsort(1)
    values = view.maps.flatten(1).gather(1, shuffled)
    order = shuffled.gather(1, values.argsort(dim=1, stable=True))
    upper = torch.zeros_like(noise, dtype=torch.bool).scatter_(1, order[:, order.shape[1] // 2 :], True)
    mask = upper.reshape(len(upper), 1, *view.shape[2:])
    variants = torch.stack([view.image.where(mask, 0), view.image.where(~mask, 0)], 1)
    scores = view.rescore(2, lambda part: variants[:, part])
    view.undefined("the target is no class", scores.isnan().any(2))
    return scores[..., 0] - scores[..., 1]


PLANTS: dict[str, tuple[type, str]] = {}


def caught_by(check: str, **declared: Any) -> Callable[[Callable[[MetricView], Any]], type]:
    """The function below is what a metric measures, with a fault, which that check finds."""

    def plant(formula: Callable[[MetricView], Any]) -> type:
        members = {"measure": lambda self, view: formula(view), "__doc__": Sound.__doc__, **declared}
        PLANTS[formula.__name__] = (type(formula.__name__, (Sound,), members), check)
        return PLANTS[formula.__name__][0]

    return plant


def sound(view: MetricView) -> Tensor:
    return Sound().measure(view)


@caught_by("a_value_for_each_case")
def no_axis_of_targets(view: MetricView) -> Tensor:
    return sound(view).squeeze(1)


@caught_by("a_value_for_each_case")
def a_list(view: MetricView) -> Any:
    return sound(view).tolist()


@caught_by("a_value_for_each_case")
def whole_numbers(view: MetricView) -> Tensor:
    return (sound(view) > 0).long()


@caught_by("a_value_for_each_case", range=(0.0, 0.5))
def out_of_its_range(view: MetricView) -> Tensor:
    return sound(view)


@caught_by("a_value_for_each_case")
def blind_to_one_channel(view: MetricView) -> Tensor:
    view.image.squeeze(1).permute(1, 0, 2, 3)
    return sound(view)


@caught_by("a_value_for_each_case")
def pictures_alone(view: MetricView) -> Tensor:
    high, _ = view.shape[2:]
    return sound(view) + 0 * high


@caught_by("no_value_has_a_reason", needs=MetricNeeds(), further=0, chance=None)
def nothing_by_nothing(view: MetricView) -> Tensor:
    maps = view.maps.flatten(2) - 0.5
    return maps.amax(2) / maps.abs().sum(2)


@caught_by("no_value_has_a_reason", chance=None, range=(-math.inf, math.inf))
def one_by_nothing(view: MetricView) -> Tensor:
    maps = view.maps.flatten(2)
    return sound(view) + 1e-9 / (maps.amax(2) - maps.amin(2))


@caught_by("no_value_has_a_reason")
def never_defined(view: MetricView) -> Tensor:
    view.undefined("for no reason", torch.ones(view.shape[:2], dtype=torch.bool))
    return sound(view) * math.nan


@caught_by("what_is_not_finite_stays_visible")
def nan_taken_for_nothing(view: MetricView) -> Tensor:
    return sound(view).nan_to_num(0.0)


@caught_by("what_is_not_finite_stays_visible", range=(0.0, 1.0), chance=None)
def nan_lost_in_a_comparison(view: MetricView) -> Tensor:
    return (sound(view) > 0).double()


@caught_by("what_is_not_finite_stays_visible")
def nan_of_one_score_left_out(view: MetricView) -> Tensor:
    variants = torch.stack([view.image, view.image * 0], 1)
    return view.rescore(2, lambda part: variants[:, part]).nanmean(2)


@caught_by("the_truth_is_better_than_noise", higher_is_better=False)
def declared_the_other_way_round(view: MetricView) -> Tensor:
    return sound(view)


@caught_by("the_truth_is_better_than_noise")
def always_the_same(view: MetricView) -> Tensor:
    return 0 * sound(view)


@caught_by("the_truth_is_better_than_noise", needs=MetricNeeds(), further=0)
def blind_to_where(view: MetricView) -> Tensor:
    return view.maps.flatten(2).sort(2).values.diff(dim=2).mean(2) - 1 / (math.prod(view.shape[2:]) - 1)


@caught_by("chance_is_as_declared", chance=0.5)
def chance_is_another(view: MetricView) -> Tensor:
    return sound(view)


@caught_by("chance_is_as_declared", chance=lambda self, view: view.maps.flatten(2).mean(2))
def chance_of_each_is_another(view: MetricView) -> Tensor:
    return sound(view)


@caught_by("chance_is_as_declared", chance=0.0)
def chance_of_ties_is_another(view: MetricView) -> Tensor:
    flat = view.maps.flatten(2)
    return sound(view) + (flat.amax(2) == flat.amin(2))


@caught_by("the_order_of_ties_plays_no_part", chance=None)
def ties_in_the_order_of_rows(view: MetricView) -> Tensor:
    places = math.prod(view.shape[2:])
    return halves(view, torch.linspace(0, 1, places, dtype=torch.float64).expand(len(view.maps), places))


@caught_by("the_order_of_ties_plays_no_part", needs=MetricNeeds(annotations=True), further=0, chance=None)
def first_of_the_largest(view: MetricView) -> Tensor:
    places = view.maps.flatten(2).argmax(2)
    return view.masks.flatten(1).gather(1, places).double()


@caught_by("nothing_is_changed")
def maps_changed(view: MetricView) -> Tensor:
    value = sound(view)
    view.maps.mul_(2)
    return value


@caught_by("nothing_is_changed")
def raws_changed(view: MetricView) -> Tensor:
    view.raws[0].relu_()
    return sound(view)


@caught_by("nothing_is_changed")
def photographs_changed(view: MetricView) -> Tensor:
    value = sound(view)
    view.image.zero_()
    return value


@caught_by("nothing_is_changed", needs=MetricNeeds(scores=True, annotations=True))
def boxes_changed(view: MetricView) -> Tensor:
    view.boxes[0].add_(1)
    return sound(view)


@caught_by("cases_are_judged_alone", chance=None)
def centred_on_its_neighbours(view: MetricView) -> Tensor:
    value = sound(view)
    return value - value.mean()


@caught_by("cases_are_judged_alone", chance=None)
def in_units_of_the_batch(view: MetricView) -> Tensor:
    value = sound(view)
    return value / value.abs().amax()


@caught_by("cases_are_judged_alone", reads="rectified")
def drawn_for_the_batch(view: MetricView) -> Tensor:
    draw = torch.Generator().manual_seed(0)
    rows = torch.randn(*view.maps.shape, generator=draw, dtype=torch.float64)
    return sound(view) + 0.01 * rows.flatten(2).mean(2)


@caught_by("same_seed_same_value")
def noise_of_torch(view: MetricView) -> Tensor:
    return halves(view, torch.rand(len(view.maps), math.prod(view.shape[2:]), dtype=torch.float64))


@caught_by("same_seed_same_value")
def noise_of_numpy(view: MetricView) -> Tensor:
    return sound(view) + 1e-6 * np.random.rand()


@caught_by("same_seed_same_value")
def noise_of_python(view: MetricView) -> Tensor:
    return sound(view) + 1e-6 * random.random()


@caught_by("same_seed_same_value")
def global_seed(view: MetricView) -> Tensor:
    torch.manual_seed(0)
    return sound(view)


@caught_by("same_seed_same_value")
def noise_from_nowhere(view: MetricView) -> Tensor:
    return sound(view) + 1e-6 * np.random.default_rng().random()


@caught_by("the_pinned_target_is_scored", needs=MetricNeeds(scores=True, model=True), chance=None)
def the_winner_is_scored(view: MetricView) -> Tensor:
    scores = view.copied_model()(view.image).amax(1, keepdim=True)
    return sound(view) * scores


@caught_by("the_pinned_target_is_scored", needs=MetricNeeds(model=True), further=0, chance=None)
def the_winner_of_a_variant_is_scored(view: MetricView) -> Tensor:
    """As coded for pixel flipping by hand: the class is chosen anew."""
    model, image = view.copied_model(), view.image
    clean = model(image).softmax(1).amax(1, keepdim=True)
    return clean - model(image * (1 - view.maps)).softmax(1).amax(1, keepdim=True)


@caught_by("needs_are_enough", needs=MetricNeeds())
def scores_without_a_word(view: MetricView) -> Tensor:
    return sound(view)


@caught_by("needs_are_enough")
def explains_without_a_word(view: MetricView) -> Tensor:
    return sound(view) + view.explain(view.image).flatten(2).mean(2)


@caught_by("needs_are_enough")
def objects_without_a_word(view: MetricView) -> Tensor:
    return sound(view) + view.masks.flatten(1).double().mean(1, keepdim=True)


@caught_by("needs_are_used", needs=MetricNeeds(scores=True, explains=True))
def explains_nothing(view: MetricView) -> Tensor:
    return sound(view)


@caught_by("needs_are_used", needs=MetricNeeds(scores=True, photographs=True))
def looks_at_no_other(view: MetricView) -> Tensor:
    return sound(view)


@caught_by("costs_are_as_declared", further=1)
def costs_more_than_it_says(view: MetricView) -> Tensor:
    return sound(view)


@caught_by("costs_are_as_declared", further=100)
def costs_less_than_it_says(view: MetricView) -> Tensor:
    return sound(view)


@caught_by("costs_are_as_declared", needs=MetricNeeds(scores=True, explains=True))
def explains_for_nothing(view: MetricView) -> Tensor:
    return sound(view) + 0 * view.explain(view.image).flatten(2).mean(2)


@caught_by("card_is_complete", citation="somebody")
def without_a_paper(view: MetricView) -> Tensor:
    return sound(view)


@caught_by("card_is_complete", equation="")
def without_an_equation(view: MetricView) -> Tensor:
    return sound(view)


@caught_by("card_is_complete", family="truth")
def of_no_family(view: MetricView) -> Tensor:
    return sound(view)


@caught_by("declared_members_have_their_kind", range=(1.0, -1.0))
def range_upside_down(view: MetricView) -> Tensor:
    return sound(view)


@caught_by("declared_members_have_their_kind", higher_is_better="yes")
def better_in_words(view: MetricView) -> Tensor:
    return sound(view)


@caught_by("declared_members_have_their_kind", further=-1)
def fewer_scores_than_none(view: MetricView) -> Tensor:
    return sound(view)


@caught_by("declared_members_have_their_kind", no_oracle=True)
def no_oracle_and_no_reason(view: MetricView) -> Tensor:
    return sound(view)


@caught_by("declared_members_have_their_kind", suites="quick")
def letters_for_suites(view: MetricView) -> Tensor:
    return sound(view)
