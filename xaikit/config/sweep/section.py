"""What ``sweep`` says, and what may vary."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from xaikit.config.sweep.shorthand import ENTRIES, LIMIT
from xaikit.errors import nearest
from xaikit.plain.faults import Faults, Path, key_of, path_of, shown
from xaikit.plain.text import flow
from xaikit.plain.values import spelling
from xaikit.schema.sections import VARIES, SweepConfig, is_fixed

Axes = Mapping[str, Sequence[Any]]


def read_sweep(values: Mapping[str, Any], faults: Faults) -> SweepConfig:
    """The sweep of a config, settled; what is faulty is left out as far as it has to be, and the faults say why."""
    return _SweepReader(faults).read(values)


def check_count(values: Mapping[str, Any], faults: Faults) -> bool:
    """Whether a settled sweep has no more points than it may; they are counted and not made."""
    limit = values.get(LIMIT, SweepConfig.limit)
    if type(limit) is not int or limit < 1:
        faults.add(("sweep", LIMIT), f"expected a number of points from 1 on, got {shown(limit)}")
        return False
    axes = [len(each) for key, each in values.items() if key not in (*ENTRIES, LIMIT)]
    ties = [max(map(len, entry.values()), default=1) for entry in values.get("zip", ())]
    points = math.prod([*axes, *ties]) + len(values.get("include", ()))
    if points > limit:
        faults.add(("sweep",), f"{points} points, expected at most {limit}; vary less, or write sweep.limit: {points}")
    return points <= limit


class _SweepReader:
    """Reads a sweep once; remembers which keys vary, and where each was stated first."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._axes: dict[str, Sequence[Any]] = {}
        self._places: dict[Path, Path] = {}

    def read(self, values: Mapping[str, Any]) -> SweepConfig:
        zips, excludes, includes = (values.get(word, ()) for word in ENTRIES)
        stated = {key: each for key, each in values.items() if key not in (*ENTRIES, LIMIT)}
        axes = {key: each for key, each in stated.items() if self._vary(("sweep",), {key: each})}
        # an entry that is left out keeps its place, so that what is wrong with the next is noted at its own
        ties = [entry if self._vary(("sweep", "zip", index), entry) else {} for index, entry in enumerate(zips)]
        drops = [
            entry for index, entry in enumerate(excludes) if self._exclude(("sweep", "exclude", index), entry, ties)
        ]
        limit = values.get(LIMIT, SweepConfig.limit)
        points = [self._include(("sweep", "include", index), entry) for index, entry in enumerate(includes)]
        return SweepConfig(_tuples(axes), tuple(map(_tuples, ties)), tuple(map(_tuples, drops)), tuple(points), limit)

    def _vary(self, place: Path, entry: Axes) -> bool:
        """Whether axes may vary together; a single one is an entry of one."""
        if not entry:
            self._faults.add(place, "expected axes that move together, got {}")
            return False
        fits = all([self._may_vary((*place, key), key, values) for key, values in entry.items()])
        if fits and len({len(values) for values in entry.values()}) > 1:
            lengths = ", ".join(f"{len(values)} of {key}" for key, values in entry.items())
            self._faults.add(place, f"expected lists of one length, got {lengths}")
            return False
        if fits:
            self._axes.update(entry)
            self._check_distinct((*place, next(iter(entry))), list(zip(*entry.values(), strict=True)))
        return fits

    def _may_vary(self, place: Path, key: str, values: Sequence[Any]) -> bool:
        path = path_of(key) or ()
        twice = f"stands twice; first as {key_of(self._places[path])}" if path in self._places else ""
        problem = _refusal(key) or twice or ("" if values else "expected at least one value, got []")
        if problem:
            self._faults.add(place, problem)
            return False
        self._places[path] = place
        for index, value in enumerate(values):
            self._check_inside((*place, index), key, value)
        return True

    def _check_inside(self, place: Path, key: str, value: Any) -> None:
        """Note what changes no map in a value that says several keys."""
        inside = value if isinstance(value, Mapping) else ()
        for option in [option for option in inside if is_fixed((*(path_of(key) or ()), option))]:
            self._faults.add((*place, option), _refusal(f"{key}.{option}"))

    def _check_distinct(self, place: Path, rows: Sequence[Any]) -> None:
        places: dict[str, int] = {}
        for index, row in enumerate(rows):
            first = places.setdefault(spelling(row), index)
            if first != index:
                self._faults.add((*place, index), f"stands twice; first as {key_of((*place, first))}")

    def _exclude(self, place: Path, entry: Axes, ties: Sequence[Axes]) -> bool:
        if not entry:
            self._faults.add(place, "expected at least one axis with values, got {}")
            return False
        fits = all([self._may_drop((*place, key), key, values) for key, values in entry.items()])
        if fits and not all(_meets(entry, tied) for tied in ties):
            self._faults.add(place, "matches no point: these values never stand together")
            return False
        return fits

    def _may_drop(self, place: Path, key: str, values: Sequence[Any]) -> bool:
        if key not in self._axes:
            # one that is faulty would be an axis, were it right
            if not self._faults.is_faulty(("sweep", key)) and path_of(key) not in self._places:
                self._faults.add(place, f"expected an axis, got {key!r}; {nearest(key, self._axes)}")
            return False
        if not values:
            self._faults.add(place, "expected at least one value, got []")
        existing = {spelling(value): flow(value) for value in self._axes[key]}
        wrong = {index: flow(value) for index, value in enumerate(values) if spelling(value) not in existing}
        for index, text in wrong.items():
            message = f"expected a value of the axis, got {text}; {nearest(text, existing.values())}"
            self._faults.add((*place, index), message)
        return bool(values) and not wrong

    def _include(self, place: Path, entry: Mapping[str, Any]) -> dict[str, Any]:
        """The keys of an entry that may vary, with their values."""
        if not entry:
            self._faults.add(place, "expected at least one key with its value, got {}")
        refused = {key: problem for key in entry if (problem := _refusal(key))}
        for key, problem in refused.items():
            self._faults.add((*place, key), problem)
        for key, value in entry.items():
            self._check_inside((*place, key), key, value)
        return {key: value for key, value in entry.items() if key not in refused}


def _tuples(axes: Axes) -> dict[str, tuple[Any, ...]]:
    return {key: tuple(values) for key, values in axes.items()}


def _meets(entry: Axes, tied: Axes) -> bool:
    """Whether some row of axes that move together has what an exclusion wants of them."""
    wanted = {key: set(map(spelling, entry[key])) for key in tied.keys() & entry.keys()}
    rows = zip(*(map(spelling, tied[key]) for key in wanted), strict=True)
    return not wanted or any(all(map(set.__contains__, wanted.values(), row)) for row in rows)


def _refusal(key: str) -> str:
    """Why a key may not vary; "" where it may."""
    path = path_of(key)
    if path is None or not all(isinstance(part, str) for part in path):
        return "expected a key such as methods.gradcam.layers; an element of a list does not vary alone"
    if path[0] == "sweep":
        return "expected a key of the config; a sweep has none of its own"
    if is_fixed(path):
        return f"changes no map; write {key}: ..."
    return "" if path[0] in VARIES else f"unknown key; {nearest(str(path[0]), [*VARIES, *ENTRIES, LIMIT])}"
