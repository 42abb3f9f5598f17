"""The trials of all points, told apart by name, and those that one opened model serves. Plain data, no torch."""

from __future__ import annotations

import gc
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from xaikit.plain.text import flow
from xaikit.plain.values import spelling
from xaikit.schema.sections import DataConfig, ModelConfig
from xaikit.trials.metric import NamedMetric, PlannedMetric
from xaikit.trials.trial import Trial


@dataclass(frozen=True)
class Point:
    """One point of a sweep.

    where   the value of every key that varies, without shorthand; empty without a sweep
    trials  one a label
    metrics one a label
    """

    where: Mapping[str, Any]
    model: ModelConfig
    data: DataConfig
    trials: tuple[Trial, ...]
    metrics: tuple[PlannedMetric, ...] = ()


@dataclass(frozen=True)
class NamedTrial:
    """A trial as a run knows it; points that give a label the same trial have one.

    name   the label, and where a run has several trials of it, the axes that tell them apart; no two of a run are the same
    where  the axes that vary in the run and have one value for this trial, on this model and these data
    """

    trial: Trial
    name: str
    where: Mapping[str, Any]


@dataclass(frozen=True)
class Group:
    """What one opened model serves: the trials of one model on the same data, in the order in which points name them, and what
    judges their maps."""

    model: ModelConfig
    data: DataConfig
    placed: tuple[NamedTrial, ...]
    metrics: tuple[NamedMetric, ...] = ()


@dataclass
class _Placed:
    """A trial of a label on one model, or a metric: where its first point is, what all its points have in common, and its name
    to be."""

    trial: Any
    first: Mapping[str, Any]
    where: Mapping[str, Any]
    name: str = ""


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the search for cycles, of which plain data has none: it would take half the time of a large sweep."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


@uncollected()
def groups(points: Sequence[Point]) -> tuple[Group, ...]:
    """The trials of some points by model and data; how many photographs go through a model at once plays no part."""
    varying = _varying([point.where for point in points])
    keys: dict[tuple[int, int], str] = {}
    firsts: dict[str, Point] = {}
    placed: dict[str, dict[tuple[str, str], _Placed]] = {}
    judging: dict[str, dict[tuple[str, str], _Placed]] = {}
    for point in points:
        both = id(point.model), id(point.data)  # points share them
        key = keys[both] = keys.get(both) or _key(point)
        firsts.setdefault(key, point)
        where = {key: value for key, value in point.where.items() if key in varying}
        _add(placed.setdefault(key, {}), point.trials, where)
        _add(judging.setdefault(key, {}), point.metrics, where)
    for every in (placed, judging):
        _name_all([each for several in every.values() for each in several.values()])
    return tuple(
        Group(first.model, first.data, _named(placed[key].values()), _named_metrics(judging[key].values()))
        for key, first in firsts.items()
    )


def _key(point: Point) -> str:
    data = {key: value for key, value in point.data.plain().items() if key not in ("batch_size", "workers")}
    return spelling([point.model.plain(), data])


def _add(
    trials: dict[tuple[str, str], _Placed], several: Iterable[Trial | PlannedMetric], where: Mapping[str, Any]
) -> None:
    for trial in several:
        placed = trials.get((trial.label, trial.id))
        if placed is None:
            trials[trial.label, trial.id] = _Placed(trial, where, where)
        else:
            shared = [key for key in placed.where if key in where and _same(placed.where[key], where[key])]
            placed.where = {key: placed.where[key] for key in shared}


def _same(one: Any, other: Any) -> bool:
    """Whether two values are; what is of one axis is the same object."""
    return one is other or spelling(one) == spelling(other)


def _varying(wheres: Sequence[Mapping[str, Any]]) -> list[str]:
    """The keys that do not have one value everywhere, in their order."""
    return [key for key in dict.fromkeys(itertools.chain.from_iterable(wheres)) if not _is_constant(key, wheres)]


def _is_constant(key: str, wheres: Sequence[Mapping[str, Any]]) -> bool:
    different = {id(where[key]): where[key] for where in wheres if key in where}
    return len(set(map(spelling, different.values()))) == 1 and all(key in where for where in wheres)


def _named(placed: Iterable[_Placed]) -> tuple[NamedTrial, ...]:
    return tuple([NamedTrial(each.trial, each.name, each.where) for each in placed])


def _named_metrics(placed: Iterable[_Placed]) -> tuple[NamedMetric, ...]:
    return tuple([NamedMetric(each.trial, each.name, each.where) for each in placed])


def _name_all(placed: Sequence[_Placed]) -> None:
    """A name for each: the label with what its trials have not in common, else with all of its first point, else a number."""
    labels: dict[str, list[_Placed]] = {}
    for each in placed:
        labels.setdefault(each.trial.label, []).append(each)
    texts: dict[int, str] = {}  # writing a value takes long, and an axis has it once
    for label, trials in labels.items():
        varying = _varying([each.where for each in trials])
        for each in trials:
            each.name = _name(label, {key: each.where[key] for key in each.where if key in varying}, texts)
        count = Counter(each.name for each in trials)
        for each in trials:
            each.name = each.name if count[each.name] == 1 else _name(label, each.first, texts)
    taken: set[str] = set()
    for each in itertools.chain.from_iterable(labels.values()):
        numbered = (each.name if number == 1 else f"{each.name} #{number}" for number in itertools.count(1))
        each.name = next(name for name in numbered if name not in taken)
        taken.add(each.name)


def _name(label: str, where: Mapping[str, Any], texts: dict[int, str]) -> str:
    """A label with some keys and their values, its own keys without their beginning."""
    for value in where.values():
        if id(value) not in texts:
            texts[id(value)] = flow(value)
    stated = [
        f"{key.removeprefix(f'methods.{label}.').removeprefix(f'metrics.{label}.')}={texts[id(value)]}"
        for key, value in where.items()
    ]
    return f"{label} ({', '.join(stated)})" if stated else label
