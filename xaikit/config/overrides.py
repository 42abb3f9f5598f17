"""Overrides of the command line: ``a.b=c``, ``layers[0]=x``, ``~methods.gradcam``."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import yaml

from xaikit.config.layering import Layer, layer_of, merge
from xaikit.config.marks import Fault, Mark, Path, at, key_of, path_of, shown
from xaikit.config.sweeping import within_sweep
from xaikit.config.text import read_value


@dataclass(frozen=True)
class Override:
    """One override: the value at a path, or a path to drop."""

    mark: Mark
    path: Path
    value: Any = None
    drops: bool = False


def override(below: Layer, texts: Sequence[str], faults: list[Fault]) -> Layer:
    """``below`` with the overrides applied in their order, whoever changes a ``use`` or ``source`` before its options."""
    for item in _uses_first([item for text in texts for item in _parse(text, faults)]):
        below = _apply(below, _indexed(item, below.plain), faults)
    return below


def _parse(text: str, faults: list[Fault]) -> list[Override]:
    """The override, or nothing where the text is none."""
    mark = Mark(f"override {text!r}")
    key, equals, value = text.partition("=")
    drops = key.startswith("~") and not equals
    path = path_of(key.strip().removeprefix("~") if drops else key.strip())
    if not equals and not drops:
        faults.append(Fault(mark, (), f"expected key=value, or ~key to drop a key, got {text!r}"))
    elif path is None:
        faults.append(Fault(mark, (), f"expected a key such as a.b or a[0], got {key!r}"))
    else:
        return _read(mark, within_sweep(path), value, drops, faults)
    return []


def _read(mark: Mark, path: Path, text: str, drops: bool, faults: list[Fault]) -> list[Override]:
    try:
        value = read_value(text)
    except yaml.YAMLError as error:
        problem = getattr(error, "problem", None) or error
        faults.append(Fault(mark, path, f"the value is not valid YAML: {problem}"))
        return []
    return [Override(replace(mark, text=text if isinstance(value, bool | int | float) else ""), path, value, drops)]


def _uses_first(items: list[Override]) -> list[Override]:
    """Changing the plugin replaces its mapping, so that must not undo an option that was given before it."""
    ordered: list[Override] = []
    for item in items:
        parent = item.path[:-1]
        siblings = (
            place
            for place, other in enumerate(ordered)
            if len(other.path) > len(parent) and other.path[: len(parent)] == parent
        )
        changes = parent and item.path[-1] in ("use", "source")
        ordered.insert(next(siblings, len(ordered)) if changes else len(ordered), item)
    return ordered


def _indexed(item: Override, plain: dict[str, Any]) -> Override:
    """``layers.0`` as ``layers[0]``: digits below a list are an index."""
    path: Path = ()
    for part in item.path:
        digits = isinstance(part, str) and part.isdigit()
        path = (*path, int(part) if digits and isinstance(_found(plain, path), list) else part)
    return replace(item, path=path)


def _found(plain: dict[str, Any], path: Path) -> Any:
    try:
        return at(plain, path)
    except KeyError:
        return None


def _apply(below: Layer, item: Override, faults: list[Fault]) -> Layer:
    index = next((place for place, part in enumerate(item.path) if isinstance(part, int)), None)
    if index is not None and not item.drops:
        return _update(below, item, item.path[:index], faults)
    if item.drops:
        return merge(below, Layer({}, {item.path: item.mark}, (item.path,)), faults)
    return _over(below, item, item.path, item.value, faults)


def _over(below: Layer, item: Override, path: Path, value: Any, faults: list[Fault]) -> Layer:
    for part in reversed(path):
        value = {part: value}
    return merge(below, layer_of(value, {(): item.mark, path: item.mark}, faults), faults)


def _update(below: Layer, item: Override, owner: Path, faults: list[Fault]) -> Layer:
    """Change one element of the list at ``owner``, or something inside it."""
    elements = copy.deepcopy(_found(below.plain, owner))
    inside, last = item.path[len(owner) : -1], item.path[-1]
    holder = _found(elements, inside)
    fits = isinstance(holder, list if isinstance(last, int) else dict)
    if fits and isinstance(last, int) and last >= len(holder):
        faults.append(Fault(item.mark, item.path, f"expected an index below {len(holder)}, got {last}"))
    elif not fits:
        wanted = "list" if isinstance(last, int) else "mapping"
        text = f"expected a {wanted} at {key_of(owner + inside)}, got {shown(holder)}"
        faults.append(Fault(item.mark, item.path, text))
    else:
        holder[last] = item.value
        return _over(below, item, owner, elements, faults)
    return below
