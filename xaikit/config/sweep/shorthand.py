"""The shorthand of ``sweep``, settled before any merge."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from xaikit.config.faults import Faults, Path, key_of, path_of, shown
from xaikit.config.shorthand import Refused, settle

ENTRIES = ("zip", "exclude", "include")
"""The keys of a sweep that are no axes: lists of mappings from keys."""


_MOST = 1_000_000


_Rule = Callable[[Path, str, Any, Faults], list[Any] | None]


def settle_sweep(said: Any, faults: Faults) -> dict[str, Any]:
    """The same in one spelling: lists of settled values, lists of entries. What cannot be settled is noted and left out."""
    if said is not None and not isinstance(said, Mapping):
        faults.add(("sweep",), f"expected a mapping from keys to their values, got {shown(said)}")
    found: dict[str, Any] = {}
    for key, value in (said if isinstance(said, Mapping) else {}).items():
        path = ("sweep", key)
        rule = _some if key == "exclude" else _one if key == "include" else _values
        settled = _entries(path, value, rule, faults) if key in ENTRIES else _values(path, key, value, faults)
        if settled is not None:
            found[key] = settled
    return found


def _entries(path: Path, said: Any, rule: _Rule, faults: Faults) -> list[dict[str, Any]] | None:
    if isinstance(said, Mapping):  # one entry is a list of one
        below = {known: mark for known, mark in faults.marks.items() if known[: len(path)] == path != known}
        faults.marks.update({(*path, 0, *known[len(path) :]): mark for known, mark in below.items()})
        said = [said]
    said = [] if said is None else said
    if not isinstance(said, list) or not all(isinstance(entry, Mapping) for entry in said):
        faults.add(path, f"expected a mapping from keys to values or a list of such, got {shown(said)}")
        return None
    return [_entry((*path, index), entry, rule, faults) for index, entry in enumerate(said)]


def _entry(path: Path, said: Mapping[str, Any], rule: _Rule, faults: Faults) -> dict[str, Any]:
    settled = {key: rule((*path, key), key, value, faults) for key, value in said.items()}
    one = rule is _one
    return {key: values[0] if one else values for key, values in settled.items() if values is not None}


def _values(place: Path, key: str, said: Any, faults: Faults) -> list[Any] | None:
    """The values of an axis: a list, or a range of integers."""
    span = re.fullmatch(r"\s*(-?\d+)\.\.(-?\d+)\s*", said) if isinstance(said, str) else None
    if span:
        first, last = int(span[1]), int(span[2])
        if not 0 <= last - first < _MOST:
            faults.add(place, f"expected a range that goes up, by at most {_MOST} values, got {said}")
            return None
        said = list(range(first, last + 1))
    if not isinstance(said, list):
        inside = list(said)[:1] if isinstance(said, Mapping) else []
        hint = "".join(f"; write {key}.{option}: [...]" for option in inside)
        faults.add(place, f"expected a list of values or a range such as 0..4, got {shown(said)}{hint}")
        return None
    settled = [_settled((*place, index), key, value, faults) for index, value in enumerate(said)]
    return None if None in settled else [value for values in settled if values is not None for value in values]


def _some(place: Path, key: str, said: Any, faults: Faults) -> list[Any] | None:
    """Values of an axis, one of which need not be a list."""
    is_range = isinstance(said, str) and ".." in said
    return _values(place, key, said if isinstance(said, list) or is_range else [said], faults)


def _one(place: Path, key: str, said: Any, faults: Faults) -> list[Any] | None:
    return _settled(place, key, said, faults)


def _settled(place: Path, key: str, said: Any, faults: Faults) -> list[Any] | None:
    """The one value without its shorthand, or none; its faults are noted at the place where it stands."""
    path = path_of(key)
    if path is None:
        return [said]
    inner = Faults({path: faults.mark(place)})
    if isinstance(said, Mapping | list):
        below = {known: mark for known, mark in faults.marks.items() if known[: len(place)] == place}
        inner.marks.update({path + known[len(place) :]: mark for known, mark in below.items()})
    try:
        value = settle(path, said, inner)
    except Refused as refusal:
        inner.add(path, str(refusal))
    for fault in inner.items:
        faults.add((*place, *fault.path[len(path) :]), fault.text, fault.cause)
    return None if inner.items else [value]


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
