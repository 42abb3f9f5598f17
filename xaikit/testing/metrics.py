"""The contract of a metric, one function a promise; what it promises of its values is in :mod:`xaikit.testing.measured`."""

from __future__ import annotations

import dataclasses
import re
from typing import Any, get_args

import torch

from xaikit.errors import UndeclaredNeed
from xaikit.evaluation.declared import check_declared
from xaikit.evaluation.scenes import Exact, Noise, scene
from xaikit.metric import Family, MetricNeeds, explanations_of, further_of
from xaikit.plain.others import changed, is_fixed
from xaikit.testing.checks import COMMON, CheckFailed, Work, expect, for_each, instances, shown
from xaikit.testing.explaining import twin
from xaikit.testing.further import Requested, watched
from xaikit.testing.measured import (
    FEW,
    a_value_for_each_case,
    cases_are_judged_alone,
    chance_is_as_declared,
    measured,
    no_value_has_a_reason,
    nothing_is_changed,
    same_seed_same_value,
    the_order_of_ties_plays_no_part,
    the_pinned_target_is_scored,
    the_truth_is_better_than_noise,
    values_of,
    what_is_not_finite_stays_visible,
)
from xaikit.testing.subjects import Subject

SOME = 8
NEEDS = tuple(item.name for item in dataclasses.fields(MetricNeeds))


def card_is_complete(metric: Any) -> None:
    """What it computes, whose it is, and what kind of question it asks."""
    for member in ("equation", "citation", "family"):
        stated = getattr(metric, member, "")
        expect(isinstance(stated, str) and bool(stated), f"{member}: expected a few words, got {shown(stated)}")
    is_cited = re.search(r"\b(19|20)\d\d\b|arXiv:|doi:|no paper", metric.citation, re.IGNORECASE)
    expect(bool(is_cited), f"citation: expected a year, arXiv:, doi: or the words 'no paper', got {metric.citation!r}")
    families = get_args(Family)
    expect(metric.family in families, f"family: expected one of {', '.join(families)}, got {metric.family!r}")


def declared_members_have_their_kind(metric: Any) -> None:
    """``range`` is two numbers, ``higher_is_better`` a truth, ``no_oracle`` a sentence, and costs are counts."""
    check_declared(metric)


def needs_are_enough(metric: Any) -> None:
    try:
        measured(metric, scene(FEW), Exact())
    except UndeclaredNeed as error:
        raise CheckFailed(str(error)) from error


def needs_are_used(subject: Subject) -> None:
    for need in NEEDS:
        wanting = [metric for metric in subject.instances() if getattr(metric.needs, need)]
        is_used = not wanting or any(_is_missed(metric, need) for metric in wanting)
        expect(is_used, f"needs: {need} is declared and never read; leave it out of MetricNeeds(...)")


def _is_missed(metric: Any, need: str) -> bool:
    try:
        measured(twin(metric, needs=dataclasses.replace(metric.needs, **{need: False})), scene(FEW), Exact())
    except UndeclaredNeed:
        return True
    return False


def every_option_changes_something(subject: Subject) -> None:
    """On one of the kit's maps, or in a case that the author names in ``examples``."""
    made, one = subject.instances(), scene(SOME)
    truth, noise = (one.maps(method) for method in (Exact(), Noise()))
    # by several shares what is a yes or a no comes out both ways
    shares, unit = torch.linspace(0.5, 1, SOME).reshape(-1, 1, 1), truth.clamp(min=0) / truth.amax((1, 2), keepdim=True)
    faint = unit * shares
    faint[:, 0, 0] = 1
    maps = [(truth, Exact()), (noise, Noise()), (unit + noise * shares, Exact()), (faint, Exact()), (unit - 2, Exact())]

    def differ(first: Any, second: Any) -> bool:
        # by one name, so that both draw the same numbers
        named = [twin(metric, __repr__=lambda self: "checked") for metric in (first, second)]
        pairs = ([values_of(one.judge(each, *map_of)) for each in named] for map_of in maps)
        return any(not torch.equal(a.nan_to_num(7e77), b.nan_to_num(7e77)) for a, b in pairs)

    names = [item.name for item in dataclasses.fields(subject.cls)]
    for name in [name for name in names if not all(is_fixed(instance, name) for instance in made)]:
        tried = [(one, other) for one in made for other in (*changed(one, name), *made)]
        expect(
            any(getattr(first, name) != getattr(other, name) and differ(first, other) for first, other in tried),
            f"option {name}: expected it to change a value on the kit's photographs, and it changes nothing; "
            "name a case where it does in examples: ClassVar = ({...},), or drop it",
        )


def costs_are_as_declared(metric: Any) -> None:
    """``further`` and ``explanations`` are what is asked for: never less, and no more than twice as much."""
    requested = Requested()
    one = scene(FEW)
    one.judge(watched(metric, requested), one.maps(Exact()))
    costs = {
        "further": (further_of(metric), requested.scores),
        "explanations": (explanations_of(metric), requested.maps),
    }
    for name, (declared, asked) in costs.items():
        expect(asked <= declared <= 2 * asked, f"{name}: expected the {asked} that are asked for, got {declared}")


CHECKS: tuple[Work, ...] = (
    *for_each(instances, needs_are_enough),
    needs_are_used,
    *COMMON,
    *for_each(
        instances,
        card_is_complete,
        declared_members_have_their_kind,
        a_value_for_each_case,
        no_value_has_a_reason,
        what_is_not_finite_stays_visible,
        the_truth_is_better_than_noise,
        chance_is_as_declared,
        the_order_of_ties_plays_no_part,
        nothing_is_changed,
        cases_are_judged_alone,
        same_seed_same_value,
        the_pinned_target_is_scored,
        costs_are_as_declared,
    ),
    every_option_changes_something,
)
