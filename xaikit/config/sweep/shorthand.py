"""The shorthand of ``sweep``, settled before any merge."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from xaikit.plain.faults import Faults, Path, key_of, path_of, shown
from xaikit.schema.shorthand import Refused, settle

ENTRIES = ("zip", "exclude", "include")
"""The keys of a sweep that are no axes: lists of mappings from keys."""

LIMIT = "limit"
"""The key of a sweep that says how many points there may be."""

_MOST = 1_000_000

_Rule = Callable[[Path, str, Any, Faults], list[Any] | None]
"""From what is stated at a key to settled values; None where something is wrong with it."""


def settle_sweep(stated: Any, faults: Faults) -> dict[str, Any]:
    """The same in one spelling: lists of settled values, lists of entries. What cannot be settled is noted and left out."""
    if stated is not None and not isinstance(stated, Mapping):
        faults.add(("sweep",), f"expected a mapping from keys to their values, got {shown(stated)}")
    rules: dict[str, _Rule] = {"zip": _settle_axis, "exclude": _settle_some, "include": _settle_one}
    values: dict[str, Any] = {}
    for key, value in stated.items() if isinstance(stated, Mapping) else ():
        if key == LIMIT:
            values[key] = value
            continue
        path = ("sweep", key)
        rule = rules.get(key)
        values[key] = _settle_entries(path, value, rule, faults) if rule else _settle_axis(path, key, value, faults)
    return {key: each for key, each in values.items() if each is not None}


def _settle_entries(path: Path, stated: Any, rule: _Rule, faults: Faults) -> list[dict[str, Any]] | None:
    if isinstance(stated, Mapping):  # one entry is a list of one
        inside = {other: mark for other, mark in faults.marks.items() if other[: len(path)] == path != other}
        faults.marks.update({(*path, 0, *other[len(path) :]): mark for other, mark in inside.items()})
        stated = [stated]
    entries = [] if stated is None else stated
    if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
        faults.add(path, f"expected a mapping from keys to values or a list of such, got {shown(stated)}")
        return None
    return [_settle_entry((*path, index), entry, rule, faults) for index, entry in enumerate(entries)]


def _settle_entry(path: Path, entry: Mapping[str, Any], rule: _Rule, faults: Faults) -> dict[str, Any]:
    settled = {key: rule((*path, key), key, value, faults) for key, value in entry.items()}
    return {key: values[0] if rule is _settle_one else values for key, values in settled.items() if values is not None}


def _settle_axis(place: Path, key: str, stated: Any, faults: Faults) -> list[Any] | None:
    """The values of an axis: a list, or a range of integers."""
    span = re.fullmatch(r"\s*(-?\d+)\.\.(-?\d+)\s*", stated) if isinstance(stated, str) else None
    if span:
        first, last = int(span[1]), int(span[2])
        if not 0 <= last - first < _MOST:
            faults.add(place, f"expected a range that goes up, by at most {_MOST} values, got {stated}")
            return None
        if _settle_one(place, key, first, faults) == [first]:
            return list(range(first, last + 1))
        stated = list(range(first, last + 1))
    if not isinstance(stated, list):
        inside = list(stated)[:1] if isinstance(stated, Mapping) else []
        hint = "".join(f"; write {key}.{option}: [...]" for option in inside)
        faults.add(place, f"expected a list of values or a range such as 0..4, got {shown(stated)}{hint}")
        return None
    settled = [_settle_one((*place, index), key, value, faults) for index, value in enumerate(stated)]
    return None if None in settled else [value for values in settled if values is not None for value in values]


def _settle_some(place: Path, key: str, stated: Any, faults: Faults) -> list[Any] | None:
    """Values of an axis, one of which need not be a list."""
    is_range = isinstance(stated, str) and ".." in stated
    return _settle_axis(place, key, stated if isinstance(stated, list) or is_range else [stated], faults)


def _settle_one(place: Path, key: str, stated: Any, faults: Faults) -> list[Any] | None:
    """The one value without its shorthand, or none; its faults are noted at the place where it stands."""
    path = path_of(key)
    if path is None:
        return [stated]
    inside = {path: faults.mark(place)}
    if isinstance(stated, Mapping | list):
        marks = faults.marks.items()
        inside.update({path + other[len(place) :]: mark for other, mark in marks if other[: len(place)] == place})
    inner = Faults(inside)
    try:
        value = settle(path, stated, inner)
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
