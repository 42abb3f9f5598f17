"""One layer of a config over another: a file over the file it extends, an override over both."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import GrammarParseError

from xaikit.config.sweep.shorthand import settle_sweep, within_sweep
from xaikit.errors import nearest
from xaikit.plain.faults import DEFAULT, Faults, Mark, Path, at, key_of, shown
from xaikit.plain.values import is_usable
from xaikit.schema.sections import LABELLED
from xaikit.schema.shorthand import settle


@dataclass(frozen=True)
class Layer:
    """Plain values without shorthand, where each was written, and what this layer drops from the one below."""

    plain: dict[str, Any]
    marks: dict[Path, Mark] = field(default_factory=dict)
    drops: tuple[Path, ...] = ()


def layer_of(raw: Mapping[Any, Any], marks: dict[Path, Mark], faults: Faults) -> Layer:
    """A layer from what was read: ``~a.b`` keys become drops, shorthand is settled, every value gets a mark."""
    faults = faults.of(marks)
    values = _plain((), raw, faults)
    drops = [key for key in values if key.startswith("~")]
    for key in drops:
        if values.pop(key) is not None:
            faults.add((key,), f"expected nothing after '{key}:'; it drops an inherited key")
        marks[_dropped(key)] = faults.mark((key,))
    settled = settle((), values, faults)
    if "sweep" in settled:
        settled["sweep"] = settle_sweep(settled["sweep"], faults)
    marks.update({path: faults.mark(path) for path in _paths(settled)})
    return Layer(settled, marks, tuple(_dropped(key) for key in drops))


def _dropped(key: str) -> Path:
    return within_sweep(tuple(key[1:].split(".")))


def merge(below: Layer, above: Layer, faults: Faults) -> Layer:
    """``above`` over ``below``: mappings merge, lists and changed plugins replace."""
    plain, marks = copy.deepcopy(below.plain), dict(below.marks)
    for path in above.drops:
        _drop(plain, marks, path, faults.of(above.marks))
    merged = overlay(plain, above.plain, marks)
    shared = marks.keys() & {(), *_paths(above.plain)}  # mappings of both: the mark of the first stays
    first = {path: marks[path] for path in shared if marks[path] != DEFAULT}
    return Layer(merged, {**marks, **above.marks, **first})


def _paths(value: Any, path: Path = ()) -> list[Path]:
    children = value.items() if isinstance(value, Mapping) else ()
    return [(*path, key) for key, _ in children] + [p for key, child in children for p in _paths(child, (*path, key))]


def _drop(plain: dict[str, Any], marks: dict[Path, Mark], path: Path, faults: Faults) -> None:
    try:
        del at(plain, path[:-1])[path[-1]]
    except (LookupError, TypeError):
        keys = [key_of(other) for other in _paths(plain) if len(other) == len(path)]
        faults.add(path, f"nothing to drop; {nearest(key_of(path), keys)}")
    _forget(marks, path)


def _forget(marks: dict[Path, Mark], path: Path) -> None:
    for below in [below for below in marks if below[: len(path)] == path]:
        del marks[below]


def overlay(
    below: Mapping[str, Any], above: Mapping[str, Any], marks: dict[Path, Mark], path: Path = ()
) -> dict[str, Any]:
    """``above`` over ``below``, of which neither changes; the marks of what is replaced instead of merged are dropped."""
    merged = dict(below)
    for key, value in above.items():
        here = (*path, key)
        if key in merged and _merges(here, merged[key], value):
            merged[key] = overlay(merged[key], value, marks, here)
            continue
        if key in merged:
            _forget(marks, here)
        if not isinstance(value, list):  # an axis keeps its place
            merged.pop(key, None)
        merged[key] = value
    return merged


def _merges(path: Path, below: Any, above: Any) -> bool:
    if not isinstance(below, Mapping) or not isinstance(above, Mapping):
        return False
    name = "source" if path in (("model",), ("data",)) else "use"
    implied = path[1] if len(path) == 2 and path[0] in LABELLED else None
    old, new = below.get(name, implied), above.get(name)
    return None in (old, new) or bool(old == new)


def _plain(path: Path, value: Any, faults: Faults) -> Any:
    """The same value out of mappings with strings as keys, lists, and what JSON knows."""
    if isinstance(value, Mapping):
        for key in [key for key in value if not isinstance(key, str)]:
            faults.add(path, f"expected a string as a key, got {shown(key)}")
        return {key: _plain((*path, key), child, faults) for key, child in value.items() if isinstance(key, str)}
    if isinstance(value, list | tuple):
        return [_plain((*path, index), item, faults) for index, item in enumerate(value)]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    try:
        if isinstance(value, str) and "${" in value:
            OmegaConf.create({"value": value})
        if isinstance(value, int | float) and not is_usable(value):
            faults.add(path, f"expected a finite number of 64 bits, got {shown(value)}")
            return None
        if value is None or isinstance(value, str | bool | int | float):
            return value
        faults.add(path, f"expected a plain value, got {shown(value)} ({type(value).__name__})")
    except GrammarParseError as error:
        faults.add(path, f"not an interpolation: {shown(value)} ({str(error).splitlines()[0]})")
    return None


def inherit(values: Mapping[str, Any], faults: Faults) -> dict[str, Any]:
    """What the config says, each label's finish with the options that it leaves to the config's."""
    general = values.get("finish", {})
    methods = dict(values.get("methods", {}))
    for label, method in methods.items():
        stages = method.get("finish", {}).items()
        finish = {stage: _stage(label, stage, choice, general.get(stage, {}), faults) for stage, choice in stages}
        methods[label] = {**method, "finish": finish} if finish else method
    return {**values, "methods": methods} if methods else dict(values)


def _stage(label: str, stage: str, choice: Any, general: Any, faults: Faults) -> Any:
    both = isinstance(choice, Mapping) and isinstance(general, Mapping)
    if not both or "use" not in choice or choice["use"] != general.get("use"):
        return choice
    for option in general.keys() - choice.keys():
        faults.marks["methods", label, "finish", stage, option] = faults.mark(("finish", stage, option))
    return {**general, **choice}
