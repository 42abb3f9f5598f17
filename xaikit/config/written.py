"""What was written before anything was resolved, kept with a Config: what the points of a sweep are made from.

A label that says only ``scale: tanh`` takes over the gamma of each point, and ``${seed}`` follows the seed; of both a resolved
config knows no more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from xaikit.config.faults import ARGUMENT, Faults, Mark, Path, at, key_of, leaves, path_of
from xaikit.config.interpolation import resolve
from xaikit.config.layers import Layer, layer_of
from xaikit.config.schema import VARIES, Config
from xaikit.config.shorthand import settle


@dataclass(frozen=True)
class Written:
    """A layer, and the plain config that it was read as."""

    layer: Layer
    plain: Mapping[str, Any]


def keep(config: Config, layer: Layer) -> Config:
    """The config with what it was read from."""
    return replace(config, written=Written(layer, config.plain()))


def layer_behind(config: Config, faults: Faults) -> Layer:
    """What was written, where that still means what the config says; else what the config says.

    A config that was made by hand, or changed by ``dataclasses.replace`` in something that points depend on, is taken at its
    word: nothing in it follows anything else.
    """
    plain = config.plain()
    kept: Written | None = config.written
    if kept is not None and kept.plain == plain:
        return kept.layer
    if kept is not None and _varying(kept.plain) == _varying(plain):
        layer = Layer(_changed(kept.layer.plain, plain), _kept_marks(kept, plain))
        if _resolved(layer) == _resolved(kept.layer):
            return layer
    return layer_of(plain, _marks(config), faults)


def own_value(config: Config, key: str) -> Any:
    """What a config says at a key, without shorthand; raises KeyError where it says nothing."""
    return at(settle((), config.plain(), Faults()), path_of(key) or ())


def _varying(plain: Mapping[str, Any]) -> dict[str, Any]:
    said = {key: plain[key] for key in VARIES}
    return {**said, "data": _without_loading(said["data"])}


def _without_loading(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key not in ("batch_size", "workers")}


def _changed(written: Mapping[str, Any], plain: Mapping[str, Any]) -> dict[str, Any]:
    """What was written, with all that changes no map as the config says it."""
    fixed = {key: value for key, value in plain.items() if key not in VARIES}
    kept = {key: value for key, value in written.items() if key in VARIES}
    if isinstance(kept.get("data"), Mapping):
        loading = {key: plain["data"][key] for key in ("batch_size", "workers")}
        kept["data"] = {**kept["data"], **loading}
    return layer_of({**kept, **fixed}, {}, Faults()).plain


def _kept_marks(kept: Written, plain: Mapping[str, Any]) -> dict[Path, Mark]:
    """Where things were written; of a sweep that was replaced, nothing is known."""
    same = kept.plain.get("sweep") == plain.get("sweep")
    return {path: mark for path, mark in kept.layer.marks.items() if same or path[:1] != ("sweep",)}


def _resolved(layer: Layer) -> dict[str, Any]:
    said = resolve(Layer({key: value for key, value in layer.plain.items() if key != "sweep"}), Faults())
    said = {key: said.get(key) for key in VARIES}
    return {**said, "data": _without_loading(said["data"])} if isinstance(said["data"], Mapping) else said


def _marks(config: Config) -> dict[Path, Mark]:
    """Where the values of a Config came from, as far as it knows."""
    known = {path: Mark(config.origins.get(key_of(path), str(ARGUMENT))) for path in leaves(config.plain())}
    return {(): ARGUMENT, **known}
