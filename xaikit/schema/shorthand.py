"""The shorthand of the YAML, settled before anything is merged.

A string ``s`` where a plugin is expected is ``{use: s}`` and null is ``{}``; ``top3`` is ``{use: top, k: 3}``, an integer
``{use: logit, index: n}``, a transform ``s`` is ``{use: s}``; ``methods`` and ``metrics`` may be one
name or a list of names, ``layers`` one name. Settling twice changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from xaikit.errors import ConfigError, is_count, nearest
from xaikit.plain.faults import Faults, Path, key_of, quoting, shown
from xaikit.schema.keys import Section, Use
from xaikit.schema.sections import (
    LABELLED,
    DataConfig,
    MethodConfig,
    MetricConfig,
    ModelConfig,
    ObserverConfig,
    SweepConfig,
    TransformConfig,
    key_at,
)

Rule = Callable[[Path, Any, Faults], Any]


class Refused(ValueError):
    """A value that no shorthand allows."""


def settle(path: Path, value: Any, faults: Faults) -> Any:
    """The value at a path without its shorthand; what cannot be settled is noted in the faults and left out."""
    rule = _rule(path, value)
    is_interpolation = isinstance(value, str) and value.startswith("${") and value.endswith("}")
    return value if rule is None or is_interpolation else rule(path, value, faults)


def _rule(path: Path, value: Any) -> Rule | None:
    if not path:
        return _group
    if len(path) == 2 and path[0] in LABELLED:
        return _plugin
    key = key_at(path)
    if key is None or (value is None and key.optional):
        return None
    if key.plugin:
        return _OF_KIND.get(key.plugin.kind) or _plugin
    if key.section:
        return _OF_SECTION.get(key.section, _group)
    return _layers if path[-1] == "layers" else None


def _group(path: Path, value: Any, faults: Faults, expected: str = "a mapping", hint: str = "") -> dict[str, Any]:
    if value is not None and not isinstance(value, Mapping):
        raise Refused(f"expected {expected}, got {shown(value)}{hint}")
    settled = {}
    for key, child in (value or {}).items():
        try:
            settled[key] = settle((*path, key), child, faults)
        except Refused as refusal:
            faults.add((*path, key), str(refusal))
    return settled


def _layout(path: Path, value: Any, faults: Faults) -> dict[str, Any] | None:
    return None if value == "auto" else _plugin(path, value, faults)


def _source(path: Path, value: Any, faults: Faults) -> dict[str, Any]:
    if isinstance(value, str):
        example = "source: torchvision, name" if path == ("model",) else "source: folder, path"
        raise Refused(f"expected a mapping, got {value!r}; write {key_of(path)}: {{{example}: {value}}}")
    return _group(path, value, faults)


def _transform(path: Path, value: Any, faults: Faults) -> dict[str, Any]:
    return (
        {"use": value} if isinstance(value, str) else _group(path, value, faults, "imagenet, a function or a mapping")
    )


def _plugin(path: Path, value: Any, faults: Faults) -> dict[str, Any]:
    if isinstance(value, str):
        return {"use": value}
    hint = quoting(value, faults.mark(path).text) if isinstance(value, bool) else ""
    return _group(path, value, faults, "a plugin's name or a mapping", hint)


def _resize(path: Path, value: Any, faults: Faults) -> dict[str, Any]:
    return {"use": "size", "to": value} if isinstance(value, list) else _plugin(path, value, faults)


def _target(path: Path, value: Any, faults: Faults) -> dict[str, Any]:
    if isinstance(value, list):
        raise Refused(f"expected one target, got {shown(value)}; write {{use: classes, of: {shown(value)}}}")
    if isinstance(value, int) and not isinstance(value, bool):
        return of_class(value)
    top = re.fullmatch(r"top(\d+)", value) if isinstance(value, str) else None
    return {"use": "top", "k": int(top[1])} if top else _plugin(path, value, faults)


def of_class(name: int | str) -> dict[str, Any]:
    """The target that is one class, by its index or its name."""
    return {"use": "logit", "index": name}


def in_words(target: Use) -> str:
    """What is explained, as people say it.

    >>> in_words(Use("top", {"k": 3})), in_words(Use("logit", {"index": 281})), in_words(Use("mine", {"of": 3}))
    ('top3', 'class 281', 'mine (of=3)')
    """
    k, index = target.options.get("k"), target.options.get("index")
    if target == Use("top", {"k": k}):
        return f"top{k}"
    if target == Use("logit", {"index": index}):
        return f"class {index}"
    listed = ", ".join(f"{key}={value}" for key, value in target.options.items())
    return f"{target.use} ({listed})" if listed else target.use


def _layers(path: Path, value: Any, faults: Faults) -> Any:
    listed = value if isinstance(value, list) else [value]
    if not all(isinstance(item, (str, Mapping)) for item in listed):
        return value
    return [_layer((*path, index), item, faults) for index, item in enumerate(listed)]


def _layer(path: Path, item: str | Mapping[str, Any], faults: Faults) -> str:
    try:
        return item if isinstance(item, str) else spelled(item)
    except ConfigError as error:
        faults.add(path, str(error))
        return str(item.get("name", "")) if isinstance(item, Mapping) else ""


def spelled(layer: Mapping[str, Any]) -> str:
    """A layer that is said at length, as one string.

    Raises:
        ConfigError: a key or value that a layer does not have.

    >>> spelled({"name": "head.conv", "call": "last"}), spelled({"name": "features", "at": "consumed"})
    ('head.conv@last', 'features+')
    """
    for key, value in layer.items():
        if key not in _LAYER:
            raise ConfigError(f"unknown key {key!r} of a layer; {nearest(str(key), _LAYER)}")
        if key == "call" and is_count(value, 1):
            continue
        words = _LAYER[key]
        if not isinstance(value, str) or (words and value not in words):
            number = "; a call may be said by its number too, from 1" if key == "call" else ""
            raise ConfigError(
                f"{key}: expected {' or '.join(words) or 'the name of a module'}, got {shown(value)}{number}"
            )
    if "name" not in layer:
        raise ConfigError(f"expected a layer's name, got {shown(dict(layer))}; add name: ...")
    call = f"@{layer['call']}" if "call" in layer else ""
    fold = f"/{layer['fold']}" if "fold" in layer else ""
    return f"{layer['name']}{call}" + ("+" if layer.get("at") == "consumed" else "") + fold


_LAYER: Mapping[str, tuple[str, ...]] = {
    "name": (),
    "call": ("first", "last"),
    "at": ("output", "consumed"),
    "fold": ("views",),
}


def _labelled(path: Path, value: Any, faults: Faults) -> dict[str, Any]:
    if isinstance(value, str):
        return {value: {}}
    return _listed(path, value, faults) if isinstance(value, list) else _group(path, value, faults)


def _listed(path: Path, names: list[Any], faults: Faults) -> dict[str, Any]:
    labels: dict[str, Any] = {}
    kind = str(path[0]).removesuffix("s")
    a_kind = f"a{'n' * (kind[0] in 'aeiou')} {kind}"
    for index, name in enumerate(names):
        if not isinstance(name, str):
            faults.add(
                (*path, index),
                f"expected {a_kind}'s name, got {shown(name)}; write {path[0]}: {{label: {{...}}}}",
            )
        elif name in labels:
            faults.add((*path, index), f"{name!r} stands twice; write {path[0]}: {{label: {{use: {name}}}}}")
        else:
            labels[name] = {}
            faults.marks[(*path, name)] = faults.mark((*path, index))
    return labels


_OF_KIND: Mapping[str, Rule] = {"target": _target, "resizer": _resize, "layout": _layout}

_OF_SECTION: dict[type[Section], Rule | None] = {
    MethodConfig: _labelled,
    MetricConfig: _labelled,
    ObserverConfig: _labelled,
    ModelConfig: _source,
    DataConfig: _source,
    TransformConfig: _transform,
    SweepConfig: None,  # has a shorthand of its own: see xaikit.config.sweep.shorthand
}
