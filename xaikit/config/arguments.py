"""Parts of a config from the arguments of a call in Python, which say them as a config would."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from xaikit.config.layers import inherit, layer_of
from xaikit.errors import ConfigError
from xaikit.plain.faults import ARGUMENT, Faults
from xaikit.plain.text import typed_value
from xaikit.registry import Registry
from xaikit.schema import reading
from xaikit.schema.keys import Use, keys_of
from xaikit.schema.plugins import Reader
from xaikit.schema.sections import Aggregation, MethodConfig, ModelConfig, TransformConfig
from xaikit.schema.shorthand import of_class


def read_methods(
    value: Any, registry: Registry, base: Path | None = None, finish: Mapping[str, Any] | None = None
) -> dict[str, MethodConfig]:
    """Methods as a config would say them: a name, a list of names, or a mapping by label.

    ``finish`` is the finish that a config would say beside them; a label that uses the same plugin takes over its options.

    Raises:
        ConfigError: all that is wrong with them.
    """
    with _reading({"methods": value, "finish": finish}, registry, base) as (reader, values):
        return reading.read_methods(reader, ("methods",), inherit(values, reader.faults)["methods"])


def read_target(value: Any, registry: Registry, base: Path | None = None) -> Use:
    """A target as a config would say it. Raises ConfigError."""
    with _reading({"target": value}, registry, base) as (reader, values):
        target: Use = reading.read_fields(reader, values)["target"]
        return target


def typed_target(text: str, where: str, names: Collection[str] = ()) -> Any:
    """A target that somebody typed: a class, where YAML would make something else of its name; else YAML, not checked yet.

    Args:
        where: for the message.
        names: of the model's classes, where they are known.

    Raises:
        ConfigError: it is no YAML, nor such a name.

    >>> names = ("cat: tabby", "@home", "7")
    >>> typed_target("cat: tabby", "target", names), typed_target("7", "target", names), typed_target("top3", "target")
    ({'use': 'logit', 'index': 'cat: tabby'}, 7, 'top3')
    """
    try:
        value = typed_value(text, where)
    except ConfigError as error:
        if text.strip() in names:
            return of_class(text.strip())
        raise ConfigError(f"{error}; a class of that name is {{use: logit, index: '...'}}") from error
    is_read_as_such = value == text.strip() or type(value) is int
    return value if is_read_as_such or text.strip() not in names else of_class(text.strip())


def read_target_of_arrays(
    value: Mapping[str, Any], arrays: Mapping[str, Any], array: type, registry: Registry, base: Path | None = None
) -> Any:
    """A target some of whose options are arrays, as no config can say them.

    Args:
        value: the other options, and ``use``.
        arrays: by option; one that a config can say as a list, or whose option takes no ``array``, is read as that list.

    Raises:
        ConfigError: an option is unknown, missing or of the wrong type.
        UnknownPlugin, PluginConflict, PluginContract: the target cannot be had.
    """
    cls = registry.find("target", str(value.get("use")), base).cls
    keys = keys_of(cls)
    taken = {
        option: one
        for option, one in arrays.items()
        if option in keys and keys[option].takes(array) and not (one.ndim == 1 and keys[option].reads(one.tolist()))
    }
    listed = {option: one.tolist() for option, one in arrays.items() if option not in taken}
    with _reading({"target": {**value, **listed}}, registry, base) as (reader, values):
        stated = {option: one for option, one in values["target"].items() if option != "use"}
        options = reader.options(cls, ("target",), stated, value["use"], given=taken)
        return None if options is None else reader.build(cls, ("target",), {**options, **taken})


def read_finish(value: Mapping[str, Any] | None, registry: Registry, base: Path | None = None) -> dict[str, Use]:
    """The stages of a finish as a config would say them. Raises ConfigError."""
    with _reading({"finish": value}, registry, base) as (reader, values):
        return reading.read_finish(reader, ("finish",), values["finish"])


def read_aggregation(augment: Mapping[str, Any] | None, reduce: str) -> Aggregation:
    """How raw maps are taken, as a config would say it. Raises ConfigError."""
    stated = {"reduce": reduce} if augment is None else {"augment": augment, "reduce": reduce}
    with _reading(stated, Registry()) as (reader, values):
        return Aggregation(**reading.read_fields(reader, values))


def read_model(value: Mapping[str, Any], registry: Registry, base: Path | None = None) -> ModelConfig:
    """A model as a config would say it. Raises ConfigError."""
    with _reading({"model": value}, registry, base) as (reader, values):
        model: ModelConfig = reading.read_fields(reader, values)["model"]
        return model


def read_transform(value: Any) -> TransformConfig | None:
    """How pictures are prepared as a config would say it; None where it says nothing. Raises ConfigError."""
    with _reading({"data": {"transform": value}}, Registry()) as (reader, values):
        transform = values["data"]["transform"]
        return None if transform is None else reading.read_transform(reader, ("data", "transform"), transform)


def read_layout(value: Any, registry: Registry, base: Path | None = None) -> Use | None:
    """A layout as a config would say it; None where shapes are to tell. Raises ConfigError."""
    with _reading({"model": {"layout": value}}, registry, base) as (reader, values):
        layout = values["model"]["layout"]
        return None if layout is None else reader.use("layout", ("model", "layout"), layout)


@contextmanager
def _reading(
    stated: dict[str, Any], registry: Registry, base: Path | None = None
) -> Iterator[tuple[Reader, dict[str, Any]]]:
    """A reader, and the values without their shorthand. Raises ConfigError where there is none for them, and for what is read."""
    faults = Faults({(): ARGUMENT})
    values = layer_of(stated, faults.marks, faults).plain
    faults.close()
    yield Reader(registry, base, faults), values
    faults.close()
