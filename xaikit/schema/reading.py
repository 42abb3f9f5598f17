"""From a settled plain mapping to the sections of a Config, with everything that is wrong in one list."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from xaikit.errors import nearest
from xaikit.plain.faults import Path, shown
from xaikit.registry import Registry
from xaikit.registry.declarations import suites_of
from xaikit.schema.keys import Key, PluginKey, Section, Use, keys_of
from xaikit.schema.plugins import Reader
from xaikit.schema.sections import (
    Config,
    DataConfig,
    FinishConfig,
    MethodConfig,
    MetricConfig,
    ModelConfig,
    ObserverConfig,
    TransformConfig,
)
from xaikit.schema.shorthand import of_class

_INLINE = {
    MethodConfig: ("method", "use"),
    MetricConfig: ("metric", "use"),
    ObserverConfig: ("observer", "use"),
    ModelConfig: ("model", "source"),
    DataConfig: ("data", "source"),
}
"""Sections that are a plugin's: its kind, and the key of its name; its options stand beside their keys."""


_BY_LABEL = (MethodConfig, MetricConfig, ObserverConfig)


def read_config(reader: Reader, values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a Config that are stated; what is wrong with them goes to the reader's faults."""
    for name, key in keys_of(Config).items():
        if key.default is None and name not in values and not reader.faults.is_faulty((name,)):
            reader.faults.add((name,), "missing: a config says model, data and methods")
    return read_fields(reader, values)


def read_fields(reader: Reader, values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that some keys of a config make, whichever they are; None where something is wrong with one."""
    return _read_keys(reader, Config, (), values)


def read_methods(reader: Reader, path: Path, values: Mapping[str, Any]) -> dict[str, MethodConfig]:
    """Methods by label; a label's plugin is the label where nothing else is said."""
    if not values and not reader.faults.is_faulty(path):
        reader.faults.add(path, f"expected at least one method; {nearest('', reader.registry.names('method'))}")
    return _read_labels(reader, MethodConfig, path, values)


def _read_labels(reader: Reader, section: type[Section], path: Path, values: Mapping[str, Any]) -> dict[str, Any]:
    """The sections of labels, without those that something is wrong with."""
    read = {label: _read_section(reader, section, (*path, label), value) for label, value in values.items()}
    return {label: value for label, value in read.items() if value is not None}


def read_metrics(reader: Reader, path: Path, values: Mapping[str, Any]) -> dict[str, MetricConfig]:
    """Metrics by label; a label that is the word of a suite stands for all metrics of that, each under its own name."""
    metrics: dict[str, MetricConfig | None] = {}
    for label, value in values.items():
        members = _suite(reader.registry, label) if not value else ()
        metrics |= {
            name: _read_section(reader, MetricConfig, (*path, name), {}) for name in members if name not in values
        }
        if not members:
            metrics[label] = _read_section(reader, MetricConfig, (*path, label), value)
    return _distinct(reader, path, {label: each for label, each in metrics.items() if each is not None}, values)


def _distinct(
    reader: Reader, path: Path, metrics: Mapping[str, MetricConfig], stated: Collection[str]
) -> dict[str, MetricConfig]:
    """Each metric once: of a suite those that no label states, and no two labels may state the same."""
    distinct: dict[str, MetricConfig] = {}
    for label, metric in metrics.items():
        others = [name for name, other in metrics.items() if other == metric and name in stated and name != label]
        if label in stated and (same := next((name for name in others if name in distinct), None)):
            reader.faults.add((*path, label), f"is the same metric as {same!r}; give it other options, or leave it out")
        elif label in stated or not others:
            distinct[label] = metric
    return distinct


def _suite(registry: Registry, word: str) -> list[str]:
    """The metrics of a suite; none where the word is a metric's own, or nobody's."""
    names = registry.names("metric")
    return [] if word in names else [name for name in names if word in suites_of(registry.find("metric", name).cls)]


def read_finish(reader: Reader, path: Path, values: Mapping[str, Any]) -> dict[str, Use]:
    """The stages that are stated: a plugin, ``auto`` or ``none``."""
    stages = _read_keys(reader, FinishConfig, path, values)
    return {stage: use for stage, use in stages.items() if use is not None}


def read_transform(reader: Reader, path: Path, values: Mapping[str, Any]) -> TransformConfig | None:
    """How pictures are prepared; None where something is wrong with it."""
    transform: TransformConfig | None = _read_section(reader, TransformConfig, path, values)
    return transform


def _read_plugin(reader: Reader, section: type[Section], path: Path, values: Mapping[str, Any]) -> Use | None:
    """The plugin whose options stand beside the keys of a section; a label is its method's name where nothing else is said."""
    kind, name = _INLINE[section]
    keys = keys_of(section)
    implied = {"use": path[-1]} if section in _BY_LABEL else {}
    options = {key: value for key, value in values.items() if key == name or key not in keys}
    return reader.use(kind, path, {**implied, **options}, key=name, beside=tuple(keys))


def _read(reader: Reader, key: Key, path: Path, value: Any) -> Any:
    if value is None and key.optional:
        return None
    if (key.plugin or key.section) and not isinstance(value, Mapping):
        reader.faults.add(path, f"expected a mapping, got {shown(value)}")
        return None
    if key.plugin:
        return _read_stage(reader, key.plugin, path, value)
    if key.section is MethodConfig:
        return read_methods(reader, path, value)
    if key.section is MetricConfig:
        return read_metrics(reader, path, value)
    if key.section is ObserverConfig:
        return _read_labels(reader, ObserverConfig, path, value)
    if key.partial:
        return read_finish(reader, path, value)
    return _read_section(reader, key.section, path, value) if key.section else reader.value(key, path, value)


def _read_stage(reader: Reader, plugin: PluginKey, path: Path, values: Mapping[str, Any]) -> Use | None:
    word = values.get("use")
    if plugin.kind == "target" and set(values) == {"use"} and _is_class(word, reader.registry):
        return reader.use("target", path, of_class(str(word)))
    if word not in plugin.words:
        return reader.use(plugin.kind, path, values, words=plugin.words)
    for key in [key for key in values if key != "use"]:
        names = ", ".join(reader.registry.names(plugin.kind))
        reader.faults.add((*path, key), f"{word!r} has no options; add use: {names}")
    return Use(word)


def _is_class(word: Any, registry: Registry) -> bool:
    """Whether a target alone is the name of a class: no plugin has it, and it names no file, module or distribution."""
    return isinstance(word, str) and bool(word) and ":" not in word and word not in registry.names("target")


def _read_section(reader: Reader, section: type[Section], path: Path, values: Mapping[str, Any]) -> Any:
    """A section, or None where something is wrong with it."""
    plugin = _read_plugin(reader, section, path, values) if section in _INLINE else None
    fields = _read_keys(reader, section, path, values)
    if plugin:
        fields |= vars(plugin) if section in _BY_LABEL else {"source": plugin}
    whole = (plugin or section not in _INLINE) and not any(reader.faults.is_faulty((*path, key)) for key in values)
    return reader.build(section, path, fields) if whole else None


def _read_keys(reader: Reader, section: type[Section], path: Path, values: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a section that are stated."""
    keys = keys_of(section)
    for key in [key for key in values if key not in keys and section not in _INLINE]:
        reader.faults.add((*path, key), f"unknown key; {nearest(key, keys)}")
    return {name: _read(reader, key, (*path, name), values[name]) for name, key in keys.items() if name in values}
