"""Overrides of the command line, ``a.b=c``, ``layers[0]=x``, ``~methods.gradcam``, and its axes, ``seed=0..4``."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import yaml

from xaikit.config.faults import Faults, Mark, Path, at, key_of, path_of, shown
from xaikit.config.layers import Layer, layer_of, merge
from xaikit.config.sweep.shorthand import within_sweep
from xaikit.config.text import read_value


@dataclass(frozen=True)
class Override:
    """One override: the value at a path, or a path to drop."""

    mark: Mark
    path: Path
    value: Any = None
    drops: bool = False


def override(below: Layer, texts: Sequence[str], faults: Faults) -> Layer:
    """``below`` with the overrides applied in their order, whoever changes a ``use`` or ``source`` before its options."""
    for item in _uses_first([item for text in texts for item in _parse(text, faults)]):
        below = _apply(below, _indexed(item, below.plain), faults)
    return below


def _parse(text: str, faults: Faults) -> list[Override]:
    """The override, or nothing where the text is none."""
    mark = Mark(f"override {text!r}")
    key, equals, value = text.partition("=")
    drops = key.startswith("~") and not equals
    path = path_of(key.strip().removeprefix("~") if drops else key.strip())
    if not equals and not drops:
        faults.add_at(mark, (), f"expected key=value, or ~key to drop a key, got {text!r}")
    elif path is None:
        faults.add_at(mark, (), f"expected a key such as a.b or a[0], got {key!r}")
    else:
        return _read(mark, within_sweep(path), value, drops, faults)
    return []


def _read(mark: Mark, path: Path, text: str, drops: bool, faults: Faults) -> list[Override]:
    try:
        value = read_value(text)
    except yaml.YAMLError as error:
        problem = getattr(error, "problem", None) or error
        faults.add_at(mark, path, f"the value is not valid YAML: {problem}")
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


def _apply(below: Layer, item: Override, faults: Faults) -> Layer:
    index = next((place for place, part in enumerate(item.path) if isinstance(part, int)), None)
    if index is not None and not item.drops:
        return _update(below, item, item.path[:index], faults)
    if item.drops:
        return merge(below, Layer({}, {item.path: item.mark}, (item.path,)), faults)
    return _over(below, item, item.path, item.value, faults)


def _over(below: Layer, item: Override, path: Path, value: Any, faults: Faults) -> Layer:
    for part in reversed(path):
        value = {part: value}
    return merge(below, layer_of(value, {(): item.mark, path: item.mark}, faults), faults)


def _update(below: Layer, item: Override, owner: Path, faults: Faults) -> Layer:
    """Change one element of the list at ``owner``, or something inside it."""
    elements = copy.deepcopy(_found(below.plain, owner))
    inside, last = item.path[len(owner) : -1], item.path[-1]
    holder = _found(elements, inside)
    fits = isinstance(holder, list if isinstance(last, int) else dict)
    if fits and isinstance(last, int) and last >= len(holder):
        faults.add_at(item.mark, item.path, f"expected an index below {len(holder)}, got {last}")
    elif not fits:
        wanted = "list" if isinstance(last, int) else "mapping"
        text = f"expected a {wanted} at {key_of(owner + inside)}, got {shown(holder)}"
        faults.add_at(item.mark, item.path, text)
    else:
        holder[last] = item.value
        return _over(below, item, owner, elements, faults)
    return below


_RANGE = re.compile(r"\s*-?\d+\.\.-?\d+\s*")


_QUOTED = re.compile(r"""\s*("(\\.|[^"\\])*"|'(''|[^'])*')""")


def split_axes(texts: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Overrides and axes, told apart: the value of an axis is a range, or has a comma outside brackets and quotes.

    >>> split_axes(["seed=0..4", "layers=[a],[a, b]", "device=cpu", "target={use: top, k: 2}"])
    (('device=cpu', 'target={use: top, k: 2}'), ('seed=0..4', 'layers=[a],[a, b]'))
    """
    axes = tuple(text for text in texts if _is_axis(text))
    return tuple(text for text in texts if text not in axes), axes


def _is_axis(text: str) -> bool:
    key, equals, value = text.partition("=")
    if not equals or re.match(r"\s*sweep\b", key):  # below sweep an override says an axis whole
        return False
    return _RANGE.fullmatch(value) is not None or next(_commas(value), None) is not None


def with_axes(below: Layer, texts: Sequence[str], faults: Faults) -> Layer:
    """``below`` with axes of the command line in its sweep, in place of those of the same key."""
    for text in texts:
        mark = Mark(f"axis {text!r}")
        key, equals, value = (part.strip() for part in text.partition("="))
        if not equals or path_of(key) is None:
            faults.add_at(mark, (), f"expected key=value,value or key=0..4, got {text!r}")
            continue
        try:
            said = _said(value)
        except yaml.YAMLError as error:
            problem = getattr(error, "problem", None) or error
            faults.add_at(mark, ("sweep", key), f"the values are not valid YAML: {problem}")
            continue
        layer = layer_of({"sweep": {key: said}}, {(): mark, ("sweep", key): mark}, faults)
        below = merge(below, layer, faults)
    return below


def _said(text: str) -> Any:
    """A range as it is, else what stands between the commas; a comma at the end makes a list of one."""
    if _RANGE.fullmatch(text):
        return text
    cuts = [-1, *_commas(text), len(text)]
    pieces = [text[start + 1 : end] for start, end in pairwise(cuts)]
    if len(pieces) > 1 and not pieces[-1].strip():
        pieces.pop()
    return [read_value(piece) for piece in pieces]


def _commas(text: str) -> Iterator[int]:
    """The places of commas outside brackets and quotes; a quote opens only where a value begins."""
    depth, place, before = 0, 0, ","
    while place < len(text):
        quoted = _QUOTED.match(text, place) if before in "[{,:" else None
        letter = text[place]
        if letter == "," and depth == 0:
            yield place
        depth += (letter in "[{" and not quoted) - (letter in "]}" and not quoted)
        before = "'" if quoted else before if letter.isspace() else letter
        place = quoted.end() if quoted else place + 1
