"""What ``load`` read, kept with the Config that it gave: a Config is read once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from xaikit.config.layers import Layer, layer_of
from xaikit.config.sweep.points import Points
from xaikit.plain.faults import ARGUMENT, Faults, Mark, key_of, leaves
from xaikit.schema.sections import VARIES, Config


@dataclass(frozen=True)
class Loaded:
    """What was written, before anything was resolved; the Config that it was read as; and the points of its sweep."""

    layer: Layer
    config: Config
    points: Points


def layer_behind(config: Config, faults: Faults) -> Layer:
    """What was written, of a Config that nobody changed; else what the Config says, in which nothing follows anything else."""
    if config.loaded is not None and config.loaded.config == config:
        layer: Layer = config.loaded.layer
        return layer
    origins = {path: Mark(config.origins.get(key_of(path), str(ARGUMENT))) for path in leaves(config.plain())}
    return layer_of(config.plain(), {(): ARGUMENT, **origins}, faults)


def points_behind(config: Config) -> Points | None:
    """The points as they were read, where nothing was changed that maps depend on."""
    loaded: Loaded | None = config.loaded
    return loaded.points if loaded is not None and _of_maps(loaded.config) == _of_maps(config) else None


def _of_maps(config: Config) -> list[Any]:
    data = replace(config.data, batch_size=1, workers=0)
    return [data, config.sweep, *(getattr(config, key) for key in VARIES if key != "data")]
