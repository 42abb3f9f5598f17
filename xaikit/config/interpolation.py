"""``${a.b}`` and ``${oc.env:X,default}`` replaced by what they stand for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from xaikit.config.layers import Layer
from xaikit.errors import nearest
from xaikit.plain.bounds import MOST_LETTERS
from xaikit.plain.faults import Faults, Path, at, key_of, leaves, path_of

ANYTHING = "*"
"""Among :func:`references`: it is not known which."""


def resolve(layer: Layer, faults: Faults) -> dict[str, Any]:
    """The plain values without any interpolation; what stands for nothing is noted in the faults and left out."""
    if _is_endless(layer.plain):
        faults.add((), f"expected interpolations that make at most {MOST_LETTERS} characters and values, got more")
        faults.close()  # what it would have made is not missing
    values: dict[str, Any] = _resolved((), OmegaConf.create(layer.plain), faults)
    return values


_MOST_UNKNOWN = 16
"""Interpolations of which it cannot be told what they look up."""


def _is_endless(plain: Mapping[str, Any]) -> bool:
    """Whether interpolations of interpolations make more of a config than anybody writes; found without making it."""
    texts = [text for text in _texts(plain) if "${" in text]
    if not texts:
        return False
    unknown = sum(text.count("${") - len(_LOOKUP.findall(text)) for text in texts)
    try:
        return unknown > _MOST_UNKNOWN or _expanded(plain, (), plain, {}) > MOST_LETTERS
    except RecursionError:
        return True


def _expanded(value: Any, path: Path, plain: Mapping[str, Any], sizes: dict[Path, int]) -> int:
    """Characters and values of what a value stands for; one that contains itself is reported where it is resolved."""
    if path in sizes:
        return sizes[path]
    sizes[path] = 0
    size = 1
    if isinstance(value, str) and "${" in value:
        for key in _LOOKUP.findall(value):
            target = _looked_up(key, path, plain)
            size += len(value) + _expanded(at(plain, target), target, plain, sizes)
    elif isinstance(value, Mapping | list | tuple):
        children = value.items() if isinstance(value, Mapping) else enumerate(value)
        size += sum(_expanded(child, (*path, key), plain, sizes) for key, child in children)
    elif isinstance(value, str):
        size += len(value)
    sizes[path] = size
    return size


def environmental(plain: Mapping[str, Any]) -> dict[Path, Any]:
    """What is written where a value comes of the environment, by itself or through other keys; as one leaf each.

    >>> environmental({"a": {"b": "${oc.env:TOKEN}"}, "c": "x-${a.b}", "d": "${e}", "e": 1})
    {('a', 'b'): '${oc.env:TOKEN}', ('c',): 'x-${a.b}'}
    """
    written = {path: at(plain, path) for path in leaves(plain)}
    return {path: value for path, value in written.items() if _is_environmental(value, path, plain, frozenset())}


def _is_environmental(value: Any, path: Path, plain: Mapping[str, Any], above: frozenset[Path]) -> bool:
    for text in _texts(value):
        keys = _LOOKUP.findall(text)
        if "oc.env" in text or text.count("${") > len(keys):  # what cannot be told may be
            return True
        targets = [_looked_up(key, path, plain) for key in keys]
        below = above | {path}
        if any(one not in below and _is_environmental(at(plain, one), one, plain, below) for one in targets):
            return True
    return False


def _looked_up(key: str, path: Path, plain: Mapping[str, Any]) -> Path:
    """The path that an interpolation at a path means; one dot before it is beside, two are one further up."""
    dots = len(key) - len(key.lstrip("."))
    target = path[: max(0, len(path) - dots)] if dots else ()
    for part in path_of(key.strip().lstrip(".")) or ():
        is_index = isinstance(at(plain, target), list) and str(part).isdecimal()
        target = (*target, int(part) if is_index else part)
    return target


_LOOKUP = re.compile(r"\$\{\s*([^${}:]*|oc\.env:[^${}]*)\}")


def is_interpolated(value: Any) -> bool:
    """Whether anything in a value stands for something else."""
    return any("${" in text for text in _texts(value))


def references(value: Any) -> frozenset[str]:
    """The top-level keys that the interpolations in a value look up, and :data:`ANYTHING` where one cannot be told.

    >>> sorted(references(["${seed}/${model.name}", "${oc.env:HOME}"])), references("${.n}")
    (['model', 'seed'], frozenset({'*'}))
    """
    return frozenset(key for text in _texts(value) if "${" in text for key in _references(text))


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    children = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return [text for child in children for text in _texts(child)]


def _references(text: str) -> list[str]:
    inner = re.findall(r"\$\{\s*([^${}]*)\}", text)
    if len(inner) != text.count("${"):  # one inside another
        return [ANYTHING]
    keys = [(key, re.match(r"[^.\[\s]+", key)) for key in inner if not key.startswith("oc.env:")]
    return [match[0] if match and ":" not in key else ANYTHING for key, match in keys]  # a resolver may look anywhere


def _resolved(path: Path, node: DictConfig | ListConfig, faults: Faults, above: tuple[Any, ...] = ()) -> Any:
    """A mapping or list with as much of it as stands for something."""
    children: dict[Any, Any] = {}
    keys: Iterable[Any] = node if isinstance(node, DictConfig) else range(len(node))
    for key in keys:
        here = (*path, key)
        try:
            child = node[key]
        except OmegaConfBaseException as error:
            faults.add(here, _reason(error, faults))
            continue
        except RecursionError:
            faults.add(here, "the interpolation leads through too many others")
            continue
        if any(child is other for other in (*above, node)):
            faults.add(here, "the interpolation contains itself")
        elif isinstance(child, DictConfig | ListConfig):
            children[key] = _resolved(here, child, faults, (*above, node))
        else:
            children[key] = child
    return children if isinstance(node, DictConfig) else list(children.values())


def _reason(error: OmegaConfBaseException, faults: Faults) -> str:
    text = str(error).splitlines()[0]
    missing = re.fullmatch(r"Interpolation key '(.*)' not found", text)
    if missing:
        return f"{text}; {nearest(missing[1], [key_of(path) for path in faults.marks if path])}"
    return text.removeprefix("KeyError raised while resolving interpolation: ").strip('"')
