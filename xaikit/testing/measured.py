"""What a metric promises of its values: of photographs whose evidence is known, and of maps that say nothing."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from xaikit.evaluation.judging import Measure
from xaikit.evaluation.scenes import SIDE, Constant, Exact, Noise, Patches, Scene, Total, judged_maps, scene
from xaikit.metric import MetricView
from xaikit.testing.checks import expect, shown
from xaikit.testing.explaining import twin
from xaikit.testing.facts import random_states, untouched
from xaikit.testing.further import Lost, Requested, watched

FEW, MANY = 3, 24
DEVIATIONS = 4.0
"""Of a mean from what is promised, in units of its standard error."""
ROUNDING = 1e-8
SINGLE = 1e-5
"""The rounding of a value that is computed in single precision."""


def values_of(measures: Sequence[Measure]) -> Tensor:
    """(N,)"""
    return torch.tensor([measure.value for measure in measures], dtype=torch.float64)


def measured(metric: Any, one: Scene, method: Any) -> list[Measure]:
    """Of the maps of a method; all of the model and the photographs stays."""
    maps = one.maps(method)
    with untouched(one.net, one.images, maps):
        return one.judge(metric, maps, method)


def a_value_for_each_case(metric: Any) -> None:
    """(N, T) of floating point, and inside the range."""

    def measure(self: Any, view: MetricView) -> Any:
        values = type(metric).measure(self, view)
        is_floating = isinstance(values, Tensor) and values.is_floating_point()
        expect(is_floating, f"expected a tensor of floats, got {shown(values)}")
        return values

    low, high = metric.range
    for what, one, maps, method in judged_maps(FEW):
        values = values_of(one.judge(twin(metric, measure=measure), maps, method))
        inside = ((values >= low - ROUNDING) & (values <= high + ROUNDING)) | values.isnan()
        expect(bool(inside.all()), f"of {what}: expected values in {metric.range}, got {values.tolist()}")


def no_value_has_a_reason(metric: Any) -> None:
    """Where a value is not defined it is NaN and ``view.undefined`` says why: also where the target is no class."""
    cases = [(what, one.judge(metric, maps, method)) for what, one, maps, method in judged_maps(FEW)]
    one = scene(FEW)
    total = one.judge(metric, one.maps(Exact()), Exact(), target=Total())
    for what, measures in [*cases, ("a target that is no class", total)]:
        for measure in measures:
            expect(not math.isinf(measure.value), f"of {what}: expected NaN or a finite value, got {measure.value}")
            given = not math.isnan(measure.value) or measure.reason != "no reason was given"
            expect(given, f"of {what}: expected view.undefined(reason, where) beside NaN, and no reason was given")
        if what == "the true evidence":
            expect(any(math.isfinite(each.value) for each in measures), f"of {what}: expected values, got NaN")


def what_is_not_finite_stays_visible(metric: Any) -> None:
    """A score or a map that is NaN, all of it or a part, makes the value NaN, and none of another case."""
    one, requested = scene(FEW), Requested()
    maps = one.maps(Exact())
    plain = values_of(one.judge(watched(metric, requested), maps))
    parts: tuple[Lost, ...] = ("all", "last")
    for lost in parts:
        values = values_of(one.judge(watched(metric, Requested(), lost), maps))
        if requested.scores or requested.maps:
            expect(
                math.isnan(values[0]),
                f"expected NaN where {lost} scores or maps of a case are NaN, got {float(values[0])}: NaN is swallowed",
            )
        same = _same(values[1:], plain[1:])
        expect(same, "expected the value of a case to be the same beside one whose scores are NaN")


def _same(one: Tensor, other: Tensor) -> bool:
    return torch.allclose(one, other, rtol=SINGLE, atol=SINGLE, equal_nan=True)


def the_truth_is_better_than_noise(metric: Any) -> None:
    """Of a net whose evidence is known, the evidence is judged better than noise; or ``no_oracle`` says why not."""
    if getattr(metric, "no_oracle", ""):
        return
    one = scene(MANY)
    truth, noise = (values_of(_refined(metric, measured(metric, one, method))) for method in (Exact(), Noise()))
    better = (truth - noise) if metric.higher_is_better else (noise - truth)
    better = better[~better.isnan()]
    expect(len(better) > MANY // 2, "expected values of the true evidence and of noise, got NaN of most photographs")
    error = float(better.std()) / math.sqrt(len(better))
    expect(
        float(better.mean()) > max(2 * error, ROUNDING),
        f"higher_is_better = {metric.higher_is_better}: expected the true evidence to be judged better than noise, got "
        f"{_mean(truth)} of it and {_mean(noise)} of noise; if that is meant, say why in no_oracle: ClassVar[str]",
    )


def _refined(metric: Any, measures: list[Measure]) -> list[Measure]:
    refine: Callable[[Any], Sequence[float]] | None = getattr(metric, "refine", None)
    if refine is None:
        return measures
    values = refine([measure.numbers or {} for measure in measures])
    return [dataclasses.replace(measure, value=value) for measure, value in zip(measures, values, strict=True)]


def _mean(values: Tensor) -> str:
    return f"{float(values.nanmean()):.4g}"


def chance_is_as_declared(metric: Any) -> None:
    """Maps that know nothing get in the mean what ``chance`` says: a constant one, all of whose places tie, and noise. Noise may
    get less where a constant map gets just that: it is then the harder one to beat."""
    one, defined = scene(MANY), False
    for method in (Constant(), Noise()):
        measures = measured(metric, one, method)
        excess = values_of(measures) - torch.tensor([measure.chance for measure in measures], dtype=torch.float64)
        excess = excess[~excess.isnan()]
        is_worse = len(excess) > 0 and (float(excess.mean()) < 0) == metric.higher_is_better
        what = "a constant map" if isinstance(method, Constant) else "noise"
        expect(
            _is_nothing(excess) or (defined and is_worse),
            f"chance: expected it in the mean of {what}, got {_mean(excess)} more, +- {_error(excess):.2g}",
        )
        defined = len(excess) > 0


def the_order_of_ties_plays_no_part(metric: Any) -> None:
    """Turned by half, photograph, map and objects, a case has the same value; where ties are broken at random, in the mean."""
    one = scene(MANY, reach=1)
    draw = torch.Generator().manual_seed(1)
    tied = {
        "a constant map": torch.ones(MANY, SIDE, SIDE, dtype=torch.float64),
        "a map of two values": torch.randint(2, (MANY, SIDE, SIDE), generator=draw).double(),
    }
    for what, maps in tied.items():
        turned = values_of(one.mirrored().judge(metric, maps.flip(1, 2)))
        change = turned - values_of(one.judge(metric, maps))
        change = change[~change.isnan()]
        expect(
            _is_nothing(change),
            f"of {what}: expected the same in the mean where all is turned by half, got {_mean(change)} more, "
            f"+- {_error(change):.2g}: do ties fall in the order of the rows? Break them at random, by view.generator",
        )


def _error(values: Tensor) -> float:
    return float(values.std()) / math.sqrt(len(values)) if len(values) > 1 else 0.0


def _is_nothing(values: Tensor) -> bool:
    return not len(values) or abs(float(values.mean())) <= DEVIATIONS * _error(values) + 1e-6


def nothing_is_changed(metric: Any) -> None:
    """Neither maps, photographs nor what is stated of them."""

    def measure(self: Any, view: MetricView) -> Any:
        before = [tensor.clone() for tensor in _tensors(view)]
        values = type(metric).measure(self, view)
        same = all(map(torch.equal, before, _tensors(view)))
        expect(
            same, "expected maps, raws, image, black and annotations as they were, got a change in place; clone() first"
        )
        return values

    measured(twin(metric, measure=measure), scene(FEW), Exact())


def _tensors(view: MetricView) -> list[Tensor]:
    stated = [each for each in view._annotations if each is not None]
    of_objects = [tensor for each in stated for tensor in (each.boxes, each.mask) if tensor is not None]
    return [view.maps, *view.raws, view.image, view.black, *of_objects]


def cases_are_judged_alone(metric: Any) -> None:
    """A case has the same value whatever it is judged beside, and in whatever order."""
    one = scene(FEW)
    for method in (Exact(), Noise()):
        maps = one.maps(method)
        together = values_of(one.judge(metric, maps, method))
        turned = values_of(one.of(range(FEW)[::-1]).judge(metric, maps.flip(0), method)).flip(0)
        alone = torch.cat([values_of(one.of([row]).judge(metric, maps[[row]], method)) for row in range(FEW)])
        for what, others in (("alone", alone), ("in another order", turned)):
            expect(
                _same(others, together),
                f"expected {together.tolist()} of cases {what} as together, got {others.tolist()}",
            )


def same_seed_same_value(metric: Any) -> None:
    """What is drawn comes from ``view.generator`` or ``view.stream``, and not from the numbers of the process."""

    def measure(self: Any, view: MetricView) -> Any:
        before = dict(random_states())
        values = type(metric).measure(self, view)
        drew = [name for name, state in random_states() if state != before[name]]
        expect(not drew, f"expected draws from view.generator alone, got a change of the {' and the '.join(drew)}")
        return values

    one = scene(FEW)
    first, second = (values_of(measured(twin(metric, measure=measure), one, Noise())) for _ in range(2))
    expect(
        torch.equal(first.nan_to_num(7e77), second.nan_to_num(7e77)),
        f"expected the same values twice, got {first.tolist()} and {second.tolist()}",
    )


def the_pinned_target_is_scored(metric: Any) -> None:
    """Models that agree on the explained class, in logit, probability and map, are one to a metric, whatever wins in them."""
    requested = Requested()
    plain, mixed = (scene(FEW, classes=(1,), net=Patches(mixed)) for mixed in (False, True))
    options = {"classes": [0] * FEW}
    maps = plain.maps(Exact())
    one, other = (values_of(each.judge(watched(metric, requested), maps, **options)) for each in (plain, mixed))
    expect(
        requested.classes or _same(one, other),
        f"expected {one.tolist()} whatever other classes score, got {other.tolist()}: another class than the explained one "
        "is scored; view.score, view.scored and view.rescore score the right one",
    )
