"""The trials of all points, told apart by name, and those that one opened model serves. Plain data, no torch."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any

from xaikit.config import DataConfig, ModelConfig, flow, spelling
from xaikit.trials.trial import Trial


@dataclass(frozen=True)
class Point:
    """One point of a sweep.

    where   the value of every key that varies, without shorthand; empty without a sweep
    trials  one a label
    """

    where: Mapping[str, Any]
    model: ModelConfig
    data: DataConfig
    trials: tuple[Trial, ...]


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
    """What one opened model serves: the trials of one model on the same data, in the order in which points name them."""

    model: ModelConfig
    data: DataConfig
    placed: tuple[NamedTrial, ...]


@dataclass
class _Found:
    """A trial of a label on one model: where its first point is, and what all its points have in common."""

    trial: Trial
    first: Mapping[str, Any]
    where: Mapping[str, Any]


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
    found: dict[str, tuple[Point, dict[tuple[str, str], _Found]]] = {}
    for point in points:
        both = id(point.model), id(point.data)  # points share them
        if both not in keys:
            keys[both] = _key(point)
        _add(found.setdefault(keys[both], (point, {}))[1], point, varying)
    names = _names([each for _, trials in found.values() for each in trials.values()])
    placed = {key: _placed(trials.values(), names) for key, (_, trials) in found.items()}
    return tuple(Group(first.model, first.data, placed[key]) for key, (first, _) in found.items())


def _key(point: Point) -> str:
    data = {key: value for key, value in point.data.plain().items() if key not in ("batch_size", "workers")}
    return spelling([point.model.plain(), data])


def _add(trials: dict[tuple[str, str], _Found], point: Point, varying: Mapping[str, Any]) -> None:
    where = _only(point.where, varying)
    for trial in point.trials:
        known = trials.get((trial.label, trial.id))
        if known is None:
            trials[trial.label, trial.id] = _Found(trial, where, where)
        else:
            known.where = _only(known.where, {key: where[key] for key in where if _same(known.where, where, key)})


def _only(where: Mapping[str, Any], keys: Mapping[str, Any]) -> Mapping[str, Any]:
    return where if where.keys() <= keys.keys() else {key: value for key, value in where.items() if key in keys}


def _same(one: Mapping[str, Any], other: Mapping[str, Any], key: str) -> bool:
    """Whether two points say the same at a key of the other; what is of one axis is the same object."""
    return key in one and (one[key] is other[key] or spelling(one[key]) == spelling(other[key]))


def _varying(wheres: Sequence[Mapping[str, Any]]) -> dict[str, dict[int, Any]]:
    """The keys that do not have one value everywhere, in their order, and their values."""
    found = {}
    for key in dict.fromkeys(chain.from_iterable(wheres)):
        values = [where[key] for where in wheres if key in where]
        different = {id(value): value for value in values}
        if len(values) < len(wheres) or len(set(map(spelling, different.values()))) > 1:
            found[key] = different
    return found


def _placed(found: Iterable[_Found], names: Mapping[int, str]) -> tuple[NamedTrial, ...]:
    return tuple([NamedTrial(each.trial, names[id(each)], each.where) for each in found])


def _names(found: Sequence[_Found]) -> dict[int, str]:
    """A name for each: the label, with what its trials have not in common, else with all of its first point."""
    labels: dict[str, list[_Found]] = {}
    for each in found:
        labels.setdefault(each.trial.label, []).append(each)
    names: dict[int, str] = {}
    for label, trials in labels.items():
        short = _short(label, [each.where for each in trials])
        count = Counter(short)
        for each, name in zip(trials, short, strict=True):
            names[id(each)] = (
                name if count[name] == 1 else _name(label, [_said(label, *item) for item in each.first.items()])
            )
    return _numbered(names)


def _short(label: str, wheres: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of one label's trials; a value is written once, however many have it."""
    said = {
        key: {known: _said(label, key, value) for known, value in values.items()}
        for key, values in _varying(wheres).items()
    }
    return [_name(label, [said[key][id(value)] for key, value in where.items() if key in said]) for where in wheres]


def _name(label: str, said: Sequence[str]) -> str:
    return f"{label} ({', '.join(said)})" if said else label


def _said(label: str, key: str, value: Any) -> str:
    """A key with its value, the label's own without their beginning."""
    return f"{key.removeprefix(f'methods.{label}.')}={flow(value)}"


def _numbered(names: Mapping[int, str]) -> dict[int, str]:
    """The same names; one that stands again gets a number."""
    taken: dict[str, int] = {}
    for key, name in names.items():
        number = 1
        while (again := name if number == 1 else f"{name} #{number}") in taken:
            number += 1
        taken[again] = key
    return {key: name for name, key in taken.items()}
