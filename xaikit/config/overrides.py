"""Overrides of the command line, ``a.b=c``, ``layers[0]=x``, ``~methods.gradcam``, and its axes, ``seed=0..4``."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, takewhile
from typing import Any

import yaml

from xaikit.config.layers import Layer, layer_of, merge
from xaikit.config.sweep.shorthand import within_sweep
from xaikit.errors import ConfigError
from xaikit.plain.bounds import check_bounds
from xaikit.plain.faults import Faults, Mark, Path, at, key_of, nested, path_of, shown
from xaikit.plain.text import problem_of, read_value

_RANGE = re.compile(r"\s*-?\d+\.\.-?\d+\s*")
_QUOTED = re.compile(r"""\s*("(\\.|[^"\\])*"|'(''|[^'])*')""")


@dataclass(frozen=True)
class Override:
    """One override: the value at a path, or a path to drop."""

    mark: Mark
    path: Path
    value: Any = None
    drops: bool = False


def listed(texts: Sequence[str]) -> list[str]:
    """Overrides or axes one by one. Raises ConfigError for one that is in no list: its letters would be one each."""
    if isinstance(texts, str):
        raise ConfigError(f"expected a list of overrides, got {texts!r}; write [{texts!r}]")
    return list(texts)


def override(below: Layer, texts: Sequence[str], faults: Faults) -> Layer:
    """``below`` with the overrides applied in their order, whoever changes a ``use`` or ``source`` before its options."""
    overrides = [_parse(text, faults) for text in texts]
    for item in _uses_first([item for item in overrides if item is not None]):
        below = _apply(below, item, faults)
    return below


def _parse(text: str, faults: Faults) -> Override | None:
    mark = Mark(f"override {text!r}")
    key, equals, value = text.partition("=")
    drops = key.startswith("~") and not equals
    path = path_of(key.strip().removeprefix("~") if drops else key.strip())
    if not equals and not drops:
        faults.add((), f"expected key=value, or ~key to drop a key, got {text!r}", mark=mark)
    elif path is None:
        faults.add((), f"expected a key such as a.b or a[0], got {key!r}", mark=mark)
    elif drops:
        return Override(mark, within_sweep(path), drops=True)
    else:
        return _read(mark, within_sweep(path), value, read_value, "the value is", faults)
    return None


def _read(mark: Mark, path: Path, text: str, read: Callable[[str], Any], what: str, faults: Faults) -> Override | None:
    try:
        check_bounds(text)
        value = read(text)
    except yaml.YAMLError as error:
        faults.add(path, problem_of(error, what), mark=mark)
        return None
    return Override(replace(mark, text=text if isinstance(value, bool | int | float) else ""), path, value)


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


def _apply(below: Layer, item: Override, faults: Faults) -> Layer:
    path = _indexed(item.path, below.plain)
    if item.drops:
        return merge(below, Layer({}, {path: item.mark}, (path,)), faults)
    owner = tuple(takewhile(lambda part: isinstance(part, str), path))
    value = item.value
    if owner != path:
        value = copy.deepcopy(at(below.plain, owner))
        if problem := _put(value, path, len(owner), item.value):
            faults.add(path, problem, mark=item.mark)
            return below
    return merge(below, layer_of(nested(owner, value), {(): item.mark, owner: item.mark}, faults), faults)


def _indexed(path: Path, plain: dict[str, Any]) -> Path:
    """``layers.0`` as ``layers[0]``: digits below a list are an index."""
    indexed: Path = ()
    for part in path:
        is_index = isinstance(part, str) and part.isdigit() and isinstance(at(plain, indexed), list)
        indexed = (*indexed, int(part) if is_index else part)
    return indexed


def _put(elements: Any, path: Path, depth: int, value: Any) -> str:
    """Change one element of the list that is so deep on a path, or something inside it; what is wrong where that cannot be."""
    holder, last = at(elements, path[depth:-1]), path[-1]
    fits = isinstance(holder, list if isinstance(last, int) else dict)
    if not fits:
        kind = "list" if isinstance(last, int) else "mapping"
        return f"expected a {kind} at {key_of(path[:-1])}, got {shown(holder)}"
    if isinstance(last, int) and last >= len(holder):
        return f"expected an index below {len(holder)}, got {last}"
    holder[last] = value
    return ""


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
        key, equals, values = (part.strip() for part in text.partition("="))
        if not equals or path_of(key) is None:
            faults.add((), f"expected key=value,value or key=0..4, got {text!r}", mark=mark)
        elif axis := _read(mark, ("sweep", key), values, _axis_values, "the values are", faults):
            below = _apply(below, axis, faults)
    return below


def _axis_values(text: str) -> str | list[Any]:
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
