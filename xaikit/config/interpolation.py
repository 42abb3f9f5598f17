"""``${a.b}`` and ``${oc.env:X,default}`` replaced by what they stand for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
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
    values: dict[str, Any] = _resolved((), OmegaConf.create(layer.plain), faults)
    return values


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
