"""What ``sweep`` says: its shorthand, settled before any merge, and what may vary."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from xaikit.config.marks import Ledger, Path, key_of, path_of, shown
from xaikit.config.schema import SweepConfig
from xaikit.config.shorthand import Refused, settle
from xaikit.config.text import flow
from xaikit.config.values import spelling
from xaikit.errors import nearest

ENTRIES = ("zip", "exclude", "include")
"""The keys of a sweep that are no axes: lists of mappings from keys."""

VARIES = ("seed", "precision", "model", "data", "target", "layers", "methods", "augment", "reduce", "finish")
"""The keys of a config that maps depend on."""

_FIXED = ("version", "name", "device", "report", "executor", "budget", "data.batch_size", "data.workers")
_MOST = 1_000_000
_Rule = Callable[[Path, str, Any, Ledger], list[Any] | None]


def settle_sweep(said: Any, ledger: Ledger) -> dict[str, Any]:
    """The same in one spelling: lists of settled values, lists of entries. What cannot be settled is noted and left out."""
    if said is not None and not isinstance(said, Mapping):
        ledger.fault(("sweep",), f"expected a mapping from keys to their values, got {shown(said)}")
    found: dict[str, Any] = {}
    for key, value in (said if isinstance(said, Mapping) else {}).items():
        path = ("sweep", key)
        rule = _some if key == "exclude" else _one if key == "include" else _values
        settled = _entries(path, value, rule, ledger) if key in ENTRIES else _values(path, key, value, ledger)
        if settled is not None:
            found[key] = settled
    return found


def _entries(path: Path, said: Any, rule: _Rule, ledger: Ledger) -> list[dict[str, Any]] | None:
    if isinstance(said, Mapping):  # one entry is a list of one
        below = {known: mark for known, mark in ledger.marks.items() if known[: len(path)] == path != known}
        ledger.marks.update({(*path, 0, *known[len(path) :]): mark for known, mark in below.items()})
        said = [said]
    said = [] if said is None else said
    if not isinstance(said, list) or not all(isinstance(entry, Mapping) for entry in said):
        ledger.fault(path, f"expected a mapping from keys to values or a list of such, got {shown(said)}")
        return None
    return [_entry((*path, index), entry, rule, ledger) for index, entry in enumerate(said)]


def _entry(path: Path, said: Mapping[str, Any], rule: _Rule, ledger: Ledger) -> dict[str, Any]:
    settled = {key: rule((*path, key), key, value, ledger) for key, value in said.items()}
    one = rule is _one
    return {key: values[0] if one else values for key, values in settled.items() if values is not None}


def _values(place: Path, key: str, said: Any, ledger: Ledger) -> list[Any] | None:
    """The values of an axis: a list, or a range of integers."""
    span = re.fullmatch(r"\s*(-?\d+)\.\.(-?\d+)\s*", said) if isinstance(said, str) else None
    if span:
        first, last = int(span[1]), int(span[2])
        if not 0 <= last - first < _MOST:
            ledger.fault(place, f"expected a range that goes up, by at most {_MOST} values, got {said}")
            return None
        said = list(range(first, last + 1))
    if not isinstance(said, list):
        inside = list(said)[:1] if isinstance(said, Mapping) else []
        hint = "".join(f"; write {key}.{option}: [...]" for option in inside)
        ledger.fault(place, f"expected a list of values or a range such as 0..4, got {shown(said)}{hint}")
        return None
    settled = [_settled((*place, index), key, value, ledger) for index, value in enumerate(said)]
    return None if None in settled else [value for values in settled if values is not None for value in values]


def _some(place: Path, key: str, said: Any, ledger: Ledger) -> list[Any] | None:
    """Values of an axis, one of which need not be a list."""
    is_range = isinstance(said, str) and ".." in said
    return _values(place, key, said if isinstance(said, list) or is_range else [said], ledger)


def _one(place: Path, key: str, said: Any, ledger: Ledger) -> list[Any] | None:
    return _settled(place, key, said, ledger)


def _settled(place: Path, key: str, said: Any, ledger: Ledger) -> list[Any] | None:
    """The one value without its shorthand, or none; its faults are noted at the place where it stands."""
    path = path_of(key)
    if path is None:
        return [said]
    inner = Ledger({path: ledger.mark(place)}, [])
    if isinstance(said, Mapping | list):
        below = {known: mark for known, mark in ledger.marks.items() if known[: len(place)] == place}
        inner.marks.update({path + known[len(place) :]: mark for known, mark in below.items()})
    try:
        value = settle(path, said, inner)
    except Refused as refusal:
        inner.fault(path, str(refusal))
    for fault in inner.faults:
        ledger.fault((*place, *fault.path[len(path) :]), fault.text, fault.cause)
    return None if inner.faults else [value]


def within_sweep(path: Path) -> Path:
    """A path below ``sweep`` with the dotted key of an axis in one piece.

    >>> within_sweep(("sweep", "methods", "a", "n", 0)), within_sweep(("sweep", "zip", 0, "model", "name"))
    (('sweep', 'methods.a.n', 0), ('sweep', 'zip', 0, 'model.name'))
    """
    if path[:1] != ("sweep",):
        return path
    start = 1
    if path[1:2] and path[1] in ENTRIES:
        start = next((place for place, part in enumerate(path) if place > 1 and isinstance(part, str)), len(path))
    end = next((place for place, part in enumerate(path) if place >= start and isinstance(part, int)), len(path))
    key = key_of(path[start:end])
    return (*path[:start], key, *path[end:]) if key else path


def read_sweep(said: Mapping[str, Any], ledger: Ledger) -> SweepConfig:
    """The sweep of a config, settled; what is faulty is left out as far as it has to be, and the ledger says why."""
    return _Reading(ledger).sweep(said)


class _Reading:
    """Reads a sweep once; remembers which keys vary, and where that was said."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
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
            self._ledger.fault(place, problem)
            return False
        self._axes[key] = values
        self._stated[path] = place
        for index, value in enumerate(values):
            self._only_maps((*place, index), key, value)
        return True

    def _only_maps(self, place: Path, key: str, value: Any) -> None:
        """Note what changes no map in a value that says several keys."""
        inside = value if isinstance(value, Mapping) else ()
        for option in [option for option in inside if f"{key}.{option}" in _FIXED]:
            self._ledger.fault((*place, option), _refusal(f"{key}.{option}"))

    def _distinct(self, place: Path, values: Sequence[Any]) -> None:
        first: dict[str, int] = {}
        for index, value in enumerate(values):
            known = first.setdefault(spelling(value), index)
            if known != index:
                self._ledger.fault((*place, index), f"stands twice; first as {key_of((*place, known))}")

    def _zip(self, place: Path, entry: Mapping[str, list[Any]]) -> bool:
        if not entry:
            self._ledger.fault(place, "expected axes that move together, got {}")
            return False
        fits = all([self._may_vary((*place, key), values) for key, values in entry.items()])
        if fits and len({len(values) for values in entry.values()}) > 1:
            lengths = ", ".join(f"{len(values)} of {key}" for key, values in entry.items())
            self._ledger.fault(place, f"expected lists of one length, got {lengths}")
            fits = False
        if fits:
            self._distinct((*place, next(iter(entry))), list(zip(*entry.values(), strict=True)))
            return True
        for key in [key for key in entry if self._stated.get(path_of(key) or ()) == (*place, key)]:
            self._axes.pop(key, None)
        return False

    def _exclude(self, place: Path, entry: Mapping[str, list[Any]], zips: Sequence[Mapping[str, list[Any]]]) -> bool:
        if not entry:
            self._ledger.fault(place, "expected at least one axis with values, got {}")
            return False
        fits = all([self._excluded((*place, key), key, values) for key, values in entry.items()])
        if fits and not all(_meets(entry, tied) for tied in zips):
            self._ledger.fault(place, "matches no point: these values never stand together")
            return False
        return fits

    def _excluded(self, place: Path, key: str, values: list[Any]) -> bool:
        if key not in self._axes:
            faulty = self._ledger.is_faulty(("sweep", key)) or path_of(key) in self._stated
            if not faulty:  # else it would be one
                self._ledger.fault(place, f"expected an axis, got {key!r}; {nearest(key, self._axes)}")
            return False
        if not values:
            self._ledger.fault(place, "expected at least one value, got []")
        known = {spelling(value): flow(value) for value in self._axes[key]}
        wrong = [index for index, value in enumerate(values) if spelling(value) not in known]
        for index in wrong:
            said = flow(values[index])
            text = f"expected a value of the axis, got {said}; {nearest(said, known.values())}"
            self._ledger.fault((*place, index), text)
        return bool(values) and not wrong

    def _include(self, place: Path, entry: Mapping[str, Any]) -> dict[str, Any]:
        """The keys of an entry that may vary, with their values."""
        if not entry:
            self._ledger.fault(place, "expected at least one key with its value, got {}")
        refused = {key: problem for key in entry if (problem := _refusal(key))}
        for key, problem in refused.items():
            self._ledger.fault((*place, key), problem)
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
    if path[0] in _FIXED or key in _FIXED:
        return f"changes no map; write {key}: ..."
    return "" if path[0] in VARIES else f"unknown key; {nearest(str(path[0]), [*VARIES, *ENTRIES])}"
