"""Parts of a config from the arguments of a call in Python, which say them as a config would."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xaikit.config import sections
from xaikit.config.keys import Use
from xaikit.config.layers import inherit, layer_of
from xaikit.config.plugins import Reader
from xaikit.config.schema import Aggregation, MethodConfig
from xaikit.plain.faults import ARGUMENT, Faults
from xaikit.registry import Registry


def read_methods(
    value: Any, registry: Registry, base: Path | None = None, finish: Mapping[str, Any] | None = None
) -> dict[str, MethodConfig]:
    """Methods as a config would say them: a name, a list of names, or a mapping by label.

    ``finish`` is the finish that a config would say beside them; a label that uses the same plugin takes over its options.

    Raises:
        ConfigError: all that is wrong with them.
    """
    values, faults = _settled({"methods": value, "finish": finish})
    methods = sections.read_methods(Reader(registry, base, faults), ("methods",), inherit(values, faults)["methods"])
    faults.close()
    return methods


def read_target(value: Any, registry: Registry, base: Path | None = None) -> Use:
    """A target as a config would say it. Raises ConfigError."""
    target: Use = _fields({"target": value}, registry, base)["target"]
    return target


def read_finish(value: Mapping[str, Any] | None, registry: Registry, base: Path | None = None) -> dict[str, Use]:
    """The stages of a finish as a config would say them. Raises ConfigError."""
    values, faults = _settled({"finish": value})
    stages = sections.read_finish(Reader(registry, base, faults), ("finish",), values["finish"])
    faults.close()
    return stages


def read_aggregation(augment: Mapping[str, Any] | None, reduce: str) -> Aggregation:
    """How raw maps are taken, as a config would say it. Raises ConfigError."""
    values = {"reduce": reduce} if augment is None else {"augment": augment, "reduce": reduce}
    return Aggregation(**_fields(values, Registry()))


def read_layout(value: Any, registry: Registry, base: Path | None = None) -> Use | None:
    """A layout as a config would say it; None where shapes are to tell. Raises ConfigError."""
    values, faults = _settled({"model": {"layout": value}})
    layout = values["model"]["layout"]
    use = None if layout is None else Reader(registry, base, faults).use("layout", ("model", "layout"), layout)
    faults.close()
    return use


def _fields(values: dict[str, Any], registry: Registry, base: Path | None = None) -> dict[str, Any]:
    """The fields that some keys of a config make. Raises ConfigError."""
    settled, faults = _settled(values)
    fields = sections.read_fields(Reader(registry, base, faults), settled)
    faults.close()
    return fields


def _settled(values: dict[str, Any]) -> tuple[dict[str, Any], Faults]:
    """Values without their shorthand. Raises ConfigError where there is none for them."""
    faults = Faults({(): ARGUMENT})
    settled = layer_of(values, faults.marks, faults).plain
    faults.close()
    return settled, faults
