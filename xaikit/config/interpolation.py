"""``${a.b}`` and ``${oc.env:X,default}`` replaced by what they stand for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from xaikit.config.layers import Layer
from xaikit.errors import nearest
from xaikit.plain.faults import Faults, Path, key_of

ANYTHING = "*"
"""Among :func:`references`: it is not known which."""


def resolve(layer: Layer, faults: Faults) -> dict[str, Any]:
    """The plain values without any interpolation; what stands for nothing is noted in the faults and left out."""
    return _mapping((), OmegaConf.create(layer.plain), faults, ())


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


def _mapping(path: Path, node: DictConfig, faults: Faults, above: tuple[Any, ...]) -> dict[str, Any]:
    children = {str(key): _values((*path, str(key)), node, key, faults, above) for key in node}
    return {key: values[0] for key, values in children.items() if values}


def _values(path: Path, owner: DictConfig | ListConfig, key: Any, faults: Faults, above: tuple[Any, ...]) -> list[Any]:
    """The one value behind a key, or none."""
    try:
        child = owner[key]
    except OmegaConfBaseException as error:
        faults.add(path, _reason(error, faults))
        return []
    if any(child is other for other in (*above, owner)):
        faults.add(path, "the interpolation contains itself")
        return []
    if isinstance(child, DictConfig):
        return [_mapping(path, child, faults, (*above, owner))]
    if isinstance(child, ListConfig):
        elements = [_values((*path, place), child, place, faults, (*above, owner)) for place in range(len(child))]
        return [[value for values in elements for value in values]]
    return [child]


def _reason(error: OmegaConfBaseException, faults: Faults) -> str:
    text = str(error).splitlines()[0]
    missing = re.fullmatch(r"Interpolation key '(.*)' not found", text)
    if missing:
        return f"{text}; {nearest(missing[1], [key_of(path) for path in faults.marks if path])}"
    return text.removeprefix("KeyError raised while resolving interpolation: ").strip('"')
