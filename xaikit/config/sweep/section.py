"""What ``sweep`` says, and what may vary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from xaikit.config.faults import Faults, Path, key_of, path_of
from xaikit.config.schema import VARIES, SweepConfig, is_fixed
from xaikit.config.sweep.shorthand import ENTRIES
from xaikit.config.text import flow
from xaikit.config.values import spelling
from xaikit.errors import nearest


def read_sweep(said: Mapping[str, Any], faults: Faults) -> SweepConfig:
    """The sweep of a config, settled; what is faulty is left out as far as it has to be, and the faults say why."""
    return _Reading(faults).sweep(said)


class _Reading:
    """Reads a sweep once; remembers which keys vary, and where that was said."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._axes: dict[str, list[Any]] = {}
        self._stated: dict[Path, Path] = {}

    def sweep(self, said: Mapping[str, Any]) -> SweepConfig:
        axes = {
            key: values for key, values in said.items() if key not in ENTRIES and self._may_vary(("sweep", key), values)
        }
        for key, values in axes.items():
            self._distinct(("sweep", key), values)
        # an entry that is left out keeps its place, so that what is wrong with the next is noted at its own
        zips = [entry if self._zip(place, entry) else {} for place, entry in _places("zip", said)]
        excludes = [entry for place, entry in _places("exclude", said) if self._exclude(place, entry, zips)]
        includes = [self._include(place, entry) for place, entry in _places("include", said)]
        return SweepConfig(
            {key: tuple(values) for key, values in axes.items()},
            tuple({key: tuple(values) for key, values in entry.items()} for entry in zips),
            tuple({key: tuple(values) for key, values in entry.items()} for entry in excludes),
            tuple(includes),
        )

    def _may_vary(self, place: Path, values: list[Any]) -> bool:
        key = str(place[-1])
        problem = _refusal(key)
        path = path_of(key) or ()
        if not problem and path in self._stated:
            problem = f"stands twice; first as {key_of(self._stated[path])}"
        if not problem and not values:
            problem = "expected at least one value, got []"
        if problem:
            self._faults.add(place, problem)
            return False
        self._axes[key] = values
        self._stated[path] = place
        for index, value in enumerate(values):
            self._only_maps((*place, index), key, value)
        return True

    def _only_maps(self, place: Path, key: str, value: Any) -> None:
        """Note what changes no map in a value that says several keys."""
        inside = value if isinstance(value, Mapping) else ()
        for option in [option for option in inside if is_fixed((*(path_of(key) or ()), option))]:
            self._faults.add((*place, option), _refusal(f"{key}.{option}"))

    def _distinct(self, place: Path, values: Sequence[Any]) -> None:
        first: dict[str, int] = {}
        for index, value in enumerate(values):
            known = first.setdefault(spelling(value), index)
            if known != index:
                self._faults.add((*place, index), f"stands twice; first as {key_of((*place, known))}")

    def _zip(self, place: Path, entry: Mapping[str, list[Any]]) -> bool:
        if not entry:
            self._faults.add(place, "expected axes that move together, got {}")
            return False
        fits = all([self._may_vary((*place, key), values) for key, values in entry.items()])
        if fits and len({len(values) for values in entry.values()}) > 1:
            lengths = ", ".join(f"{len(values)} of {key}" for key, values in entry.items())
            self._faults.add(place, f"expected lists of one length, got {lengths}")
            fits = False
        if fits:
            self._distinct((*place, next(iter(entry))), list(zip(*entry.values(), strict=True)))
            return True
        for key in [key for key in entry if self._stated.get(path_of(key) or ()) == (*place, key)]:
            self._axes.pop(key, None)
        return False

    def _exclude(self, place: Path, entry: Mapping[str, list[Any]], zips: Sequence[Mapping[str, list[Any]]]) -> bool:
        if not entry:
            self._faults.add(place, "expected at least one axis with values, got {}")
            return False
        fits = all([self._excluded((*place, key), key, values) for key, values in entry.items()])
        if fits and not all(_meets(entry, tied) for tied in zips):
            self._faults.add(place, "matches no point: these values never stand together")
            return False
        return fits

    def _excluded(self, place: Path, key: str, values: list[Any]) -> bool:
        if key not in self._axes:
            faulty = self._faults.is_faulty(("sweep", key)) or path_of(key) in self._stated
            if not faulty:  # else it would be one
                self._faults.add(place, f"expected an axis, got {key!r}; {nearest(key, self._axes)}")
            return False
        if not values:
            self._faults.add(place, "expected at least one value, got []")
        known = {spelling(value): flow(value) for value in self._axes[key]}
        wrong = [index for index, value in enumerate(values) if spelling(value) not in known]
        for index in wrong:
            said = flow(values[index])
            text = f"expected a value of the axis, got {said}; {nearest(said, known.values())}"
            self._faults.add((*place, index), text)
        return bool(values) and not wrong

    def _include(self, place: Path, entry: Mapping[str, Any]) -> dict[str, Any]:
        """The keys of an entry that may vary, with their values."""
        if not entry:
            self._faults.add(place, "expected at least one key with its value, got {}")
        refused = {key: problem for key in entry if (problem := _refusal(key))}
        for key, problem in refused.items():
            self._faults.add((*place, key), problem)
        for key, value in entry.items():
            self._only_maps((*place, key), key, value)
        return {key: value for key, value in entry.items() if key not in refused}


def _places(word: str, said: Mapping[str, Any]) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    for index, entry in enumerate(said.get(word, ())):
        yield ("sweep", word, index), entry


def _meets(entry: Mapping[str, Sequence[Any]], tied: Mapping[str, Sequence[Any]]) -> bool:
    """Whether some row of axes that move together has what an exclusion wants of them."""
    wanted = {key: {spelling(value) for value in entry[key]} for key in tied.keys() & entry.keys()}
    rows = zip(*([spelling(value) in among for value in tied[key]] for key, among in wanted.items()), strict=True)
    return not wanted or any(all(row) for row in rows)


def _refusal(key: str) -> str:
    """Why a key may not vary; "" where it may."""
    path = path_of(key)
    if path is None or not all(isinstance(part, str) for part in path):
        return "expected a key such as methods.gradcam.layers; an element of a list does not vary alone"
    if key == "sweep" or path[0] == "sweep":
        return "expected a key of the config; a sweep has none of its own"
    if is_fixed(path):
        return f"changes no map; write {key}: ..."
    return "" if path[0] in VARIES else f"unknown key; {nearest(str(path[0]), [*VARIES, *ENTRIES])}"
