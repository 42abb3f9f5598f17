"""From a settled plain mapping to a Config, with everything that is wrong in one list."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from xaikit.config.aggregation import AugmentConfig
from xaikit.config.faults import Path, shown
from xaikit.config.migration import VERSION
from xaikit.config.plugins import Reader, hints_of
from xaikit.config.schema import (
    STAGES,
    WORDS,
    Config,
    DataConfig,
    FinishConfig,
    MethodConfig,
    ModelConfig,
    ReportConfig,
    TransformConfig,
    Use,
)
from xaikit.config.values import seconds
from xaikit.errors import nearest

KEYS = (
    *("version", "name", "seed", "device", "precision", "model", "data", "target"),
    *("layers", "methods", "augment", "reduce", "finish", "report", "executor", "budget", "sweep"),
)


LATER = {"metrics": "read the maps through the report instead"}


METHOD_KEYS = ("use", "layers", "target", "augment", "reduce", "finish")


_SIMPLE = ("version", "name", "seed", "device", "precision", "layers", "reduce")


def read_config(reader: Reader, said: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a Config but its sweep; those that are faulty are missing, and the reader's faults say why."""
    _later(reader, (), said, tuple(LATER))
    _unknown(reader, (), {key: value for key, value in said.items() if key not in LATER}, KEYS)
    for key in ("model", "data", "methods"):
        if key not in said and not reader.faults.is_faulty((key,)):
            reader.faults.add((key,), "missing: a config says model, data and methods")
    fields = read_fields(reader, said)
    _limits(reader, fields)
    return fields


def read_fields(reader: Reader, said: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that some keys of a config make, whichever they are."""
    hints = hints_of(Config)
    found: dict[str, Any] = {key: reader.value(hints[key], (key,), said[key]) for key in _SIMPLE if key in said}
    if "model" in said:
        found["model"] = read_model(reader, said["model"])
    if "data" in said:
        found["data"] = read_data(reader, said["data"])
    if "methods" in said:
        found["methods"] = read_methods(reader, ("methods",), said["methods"])
    if "target" in said:
        found["target"] = read_target(reader, (), said)
    if "augment" in said:
        found["augment"] = read_augment(reader, (), said)
    if "finish" in said:
        found["finish"] = FinishConfig(**read_finish(reader, ("finish",), said["finish"]))
    if "report" in said:
        found["report"] = _group(reader, ReportConfig, ("report",), said["report"])
    if "executor" in said:
        found["executor"] = reader.use("executor", ("executor",), said["executor"])
    if said.get("budget") is not None:
        found["budget"] = _budget(reader, said["budget"])
    return found


def read_methods(reader: Reader, path: Path, said: Mapping[str, Any]) -> dict[str, MethodConfig]:
    """Methods by label; a label's plugin is the label where nothing else is said."""
    if not said and not reader.faults.is_faulty(path):
        reader.faults.add(path, f"expected at least one method; {nearest('', reader.registry.names('method'))}")
    found = {label: _method(reader, (*path, label), method) for label, method in said.items()}
    return {label: method for label, method in found.items() if method is not None}


def read_finish(reader: Reader, path: Path, said: Mapping[str, Any]) -> dict[str, Use]:
    """The stages that are stated: a plugin, ``auto`` or ``none``."""
    _unknown(reader, path, said, tuple(STAGES))
    found = {stage: _stage(reader, (*path, stage), stage, said[stage]) for stage in STAGES if stage in said}
    return {stage: use for stage, use in found.items() if use is not None}


def _stage(reader: Reader, path: Path, stage: str, said: Mapping[str, Any]) -> Use | None:
    word = said.get("use")
    if word not in WORDS:
        return reader.use(STAGES[stage], path, said, words=WORDS)
    for key in [key for key in said if key != "use"]:
        names = ", ".join(reader.registry.names(STAGES[stage]))
        reader.faults.add((*path, key), f"{word!r} has no options; add use: {names}")
    return Use(word)


def _method(reader: Reader, path: Path, said: Mapping[str, Any]) -> MethodConfig | None:
    use = read_method(reader, path, said)
    layers, target = read_layers(reader, path, said), read_target(reader, path, said)
    finish = read_finish(reader, (*path, "finish"), said.get("finish", {}))
    augment, reduce = read_augment(reader, path, said), read_reduce(reader, path, said)
    return None if use is None else MethodConfig(use.use, use.options, layers, target, finish, augment, reduce)


def read_method(reader: Reader, path: Path, said: Mapping[str, Any]) -> Use | None:
    """The plugin of a label and its options."""
    options = {key: value for key, value in said.items() if key not in METHOD_KEYS}
    return reader.use("method", path, {"use": said.get("use", path[-1]), **options}, beside=METHOD_KEYS)


def read_layers(reader: Reader, path: Path, said: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The layers that a label, or the config, says."""
    hint = hints_of(MethodConfig if path else Config)["layers"]
    found: tuple[str, ...] | None = reader.value(hint, (*path, "layers"), said["layers"]) if "layers" in said else None
    return found


def read_target(reader: Reader, path: Path, said: Mapping[str, Any]) -> Use | None:
    """The target that a label, or the config, says."""
    stated = said.get("target")
    return None if stated is None else reader.use("target", (*path, "target"), stated)


def read_augment(reader: Reader, path: Path, said: Mapping[str, Any]) -> AugmentConfig | None:
    """The augmentation that a label, or the config, says."""
    stated = said.get("augment")
    found: AugmentConfig | None = None if stated is None else _group(reader, AugmentConfig, (*path, "augment"), stated)
    return found


def read_reduce(reader: Reader, path: Path, said: Mapping[str, Any]) -> Any:
    """How channels are reduced, as a label, or the config, says."""
    hint = hints_of(MethodConfig if path else Config)["reduce"]
    return reader.value(hint, (*path, "reduce"), said["reduce"]) if "reduce" in said else None


def read_model(reader: Reader, said: Mapping[str, Any]) -> ModelConfig | None:
    """Where the model comes from, and its output."""
    hints = hints_of(ModelConfig)
    output = reader.value(hints["output"], ("model", "output"), said.get("output", "auto"))
    own = {key: value for key, value in said.items() if key not in ("output", "layout")}
    stated = said.get("layout")
    layout = None if stated is None else reader.use("layout", ("model", "layout"), stated)
    source = reader.use("model", ("model",), own, key="source", beside=("output", "layout"))
    return None if source is None else ModelConfig(source, output, layout)


def read_data(reader: Reader, said: Mapping[str, Any]) -> DataConfig | None:
    """Where the pictures come from, and how they are prepared."""
    own = ("batch_size", "workers", "transform")
    hints = hints_of(DataConfig)
    numbers = {key: reader.value(hints[key], ("data", key), said[key]) for key in own[:2] if key in said}
    stated = said.get("transform")
    transform = None if stated is None else _group(reader, TransformConfig, ("data", "transform"), stated)
    options = {key: value for key, value in said.items() if key not in own}
    source = reader.use("data", ("data",), options, key="source", beside=own)
    return None if source is None else DataConfig(source, **numbers, transform=transform)


def _group(reader: Reader, cls: type, path: Path, said: Any) -> Any:
    """A mapping whose keys are the fields of a dataclass of ours."""
    if not isinstance(said, Mapping):
        reader.faults.add(path, f"expected a mapping, got {shown(said)}")
        return None
    found = reader.fields(cls, path, said)
    return None if found is None or not reader.builds(cls, path, found) else cls(**found)


def _unknown(reader: Reader, path: Path, said: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for key in [key for key in said if key not in known]:
        reader.faults.add((*path, key), f"unknown key; {nearest(key, known)}")


def _later(reader: Reader, path: Path, said: Mapping[str, Any], keys: tuple[str, ...]) -> None:
    """Keys that later versions will take and this one refuses."""
    for key in [key for key in said if key in keys]:
        reader.faults.add((*path, key), f"not available yet: {LATER[key]}")


def _budget(reader: Reader, said: Any) -> float | None:
    try:
        return seconds(said)
    except ValueError as error:
        reader.faults.add(("budget",), str(error))
        return None


def _limits(reader: Reader, found: Mapping[str, Any]) -> None:
    """Values that later versions will take and this one refuses."""
    if found.get("version", VERSION) not in (VERSION, None):
        said = f"expected {VERSION}, got {found['version']}: update xaikit, or write version: {VERSION}"
        reader.faults.add(("version",), said)
    device = found.get("device", "auto")
    if isinstance(device, str) and not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", device):
        expected = nearest(device, ("auto", "cpu", "cuda", "cuda:0", "mps"))
        reader.faults.add(("device",), f"expected auto, cpu, cuda, cuda:N or mps, got {device!r}; {expected}")
