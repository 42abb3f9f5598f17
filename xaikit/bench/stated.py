"""The transform that a config states, over what the model's source knows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from xaikit.bench.transforms import AXES, ArrayTransform, OwnTransform, Prepare
from xaikit.draws import global_draws
from xaikit.errors import ConfigError, nearest
from xaikit.plain.options import Located
from xaikit.registry.modules import lies_at, module_at
from xaikit.schema.class_files import IMAGENET as IMAGENET_WORD
from xaikit.schema.sections import DataConfig, TransformConfig
from xaikit.sources import IMAGENET, Kind, OpenedModel, Photograph, Transform
from xaikit.trials.digests import source_digest


def stated_transform(model: OpenedModel, data: DataConfig, first: Photograph, base: Path) -> Prepare:
    """What prepares the samples of a bench.

    Args:
        first: of the samples, whose kind all are of.
        base: the folder that a function's file is relative to.

    Raises:
        ConfigError: nobody knows how pictures are prepared, numbers do not agree, or a function cannot be had.
    """
    config = data.transform or TransformConfig()
    if config.use is not None and config.use != IMAGENET_WORD:
        return _own(config, base)
    stated = {key: value for key, value in config.plain().items() if key not in ("use", "channels")}
    ready = first.kind in ("series", "volume") or (first.kind == "picture" and first.decode is not None and not stated)
    if ready and config.use is None:
        return _of_arrays(stated, first.kind)
    return _of_pictures(model, config, stated)


def _own(config: TransformConfig, base: Path) -> OwnTransform:
    name = str(config.use)
    place, _, attribute = Located(lies_at).at(name, base, "data.transform").rpartition(":")
    try:
        with global_draws():  # whatever importing draws, the global random numbers stay
            module = module_at(place, "transform")
    except (Exception, SystemExit) as error:  # a module is anybody's code
        raise ConfigError(f"data.transform: {name} cannot be imported: {type(error).__name__}: {error}") from error
    function: Callable[[Any], Any] | None = getattr(module, attribute, None)
    if not callable(function):
        offered = [each for each, value in vars(module).items() if callable(value) and not each.startswith("_")]
        raise ConfigError(f"data.transform: {name}: there is no function {attribute!r}; {nearest(attribute, offered)}")
    return OwnTransform(function, name, source_digest(module), config.channels or 3)


def _of_arrays(stated: Mapping[str, Any], kind: Kind) -> ArrayTransform:
    if "fit" in stated:
        raise ConfigError(f"data.transform.fit: expected nothing for a {kind}; size and crop are of all its axes")
    axes = AXES[kind]
    sides = {key: _sides(stated[key], axes, key) for key in ("size", "crop") if key in stated}
    rest: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in stated.items()}
    return ArrayTransform(**{**rest, **sides})


def _sides(value: Any, axes: int, key: str) -> tuple[int, ...]:
    if isinstance(value, list) and len(value) != axes:
        raise ConfigError(f"data.transform.{key}: expected {axes} numbers, one an axis, got {value}")
    return tuple(value) if isinstance(value, list) else (value,) * axes


def _of_pictures(model: OpenedModel, config: TransformConfig, stated: dict[str, Any]) -> Transform:
    below = IMAGENET if config.use else model.transform
    if below is None and not {"mean", "std"} <= stated.keys():
        raise ConfigError(
            f"data.transform: this model's source does not know how its pictures are prepared; {_offer(model)}"
        )
    stated = {key: tuple(value) if isinstance(value, list) else value for key, value in stated.items()}
    for key in ("size", "crop"):
        if isinstance(stated.get(key), tuple):
            _sides([*stated[key]], 2, key)
    prepared = dataclasses.replace(below or IMAGENET, **_fitted(stated, below or IMAGENET))
    for key, numbers in (("mean", prepared.mean), ("std", prepared.std)):
        if len(numbers) != (config.channels or prepared.channels):
            raise ConfigError(
                f"data.transform.{key}: expected {config.channels or prepared.channels} numbers, one a channel, got "
                f"{len(numbers)}; write channels, mean and std that agree"
            )
    return prepared


def _fitted(stated: dict[str, Any], below: Transform) -> dict[str, Any]:
    """What a transform takes: the whole picture is squashed to the sides of its crop, or padded to them."""
    fit = stated.pop("fit", "pad" if below.size == "fit" and "size" not in stated else "crop")
    if fit == "crop":
        reach = {"size": max(_pair(stated.get("crop", below.crop)))} if below.size == "fit" else {}
        return {**reach, **stated}
    sides = stated.get("crop", stated.get("size", below.crop))
    if stated.get("size", sides) != sides:
        raise ConfigError(
            f"data.transform: fit: {fit} brings the whole picture to its sides, expected one of size {stated['size']} and crop "
            f"{stated['crop']}"
        )
    whole = _pair(sides)
    return {**stated, "size": "fit" if fit == "pad" else whole, "crop": whole}


def _pair(sides: Any) -> tuple[int, int]:
    return (sides, sides) if isinstance(sides, int) else sides


def _offer(model: OpenedModel) -> str:
    """What to write: the values of the architecture, where its weights are other ones."""
    usual = model.usual or IMAGENET
    values = {key: getattr(usual, key) for key in ("size", "crop", "mean", "std", "interpolation")}
    if usual.size == "fit":
        values = {"fit": "pad", **{key: value for key, value in values.items() if key != "size"}}
    stated = ", ".join(f"{key}: {_text(value)}" for key, value in values.items())
    whose = "those of its architecture" if model.usual else "those of ImageNet (transform: imagenet)"
    return f"where it was trained with {whose}, write transform: {{{stated}}}"


def _text(value: Any) -> str:
    return f"[{', '.join(map(str, value))}]" if isinstance(value, tuple) else str(value)
