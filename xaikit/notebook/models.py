"""A model as a command line names it: its source and what that calls it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from xaikit.bench.opened import pick_device
from xaikit.bench.stated import stated_transform
from xaikit.bench.transforms import Prepare
from xaikit.config.arguments import read_model, read_transform
from xaikit.errors import ConfigError, nearest
from xaikit.registry import Registry
from xaikit.schema.class_files import read_classes
from xaikit.schema.keys import Use, keys_of
from xaikit.schema.plugins import instantiate
from xaikit.schema.sections import DataConfig
from xaikit.sources import OpenedModel, Photograph


@dataclass(frozen=True)
class NamedModel:
    """A model on its device, with what :func:`xaikit.explain` takes beside it."""

    module: nn.Module
    transform: Any
    classes: tuple[str, ...] | None
    output: str | int


def open_model(
    stated: str,
    options: Mapping[str, Any],
    *,
    weights: str | None = None,
    random: bool = False,
    transform: Any = None,
    device: str = "auto",
) -> NamedModel:
    """Open the model of a source: ``torchvision:resnet50``.

    Args:
        options: what a config may say below ``model`` beside.
        weights: a name or file.
        random: have random weights.
        transform: over what the source knows, as ``data.transform`` of a config says it: "imagenet", a function such as
            "./mine.py:transform", or a mapping.

    Raises:
        ConfigError: no such model, option or device; weights that cannot be had; or nobody knows the transform.
        UnknownPlugin, PluginConflict, PluginContract: the source cannot be had.

    >>> opened = open_model("torchvision:resnet18", {}, random=True, device="cpu")
    >>> len(opened.classes), opened.transform.crop
    (1000, 224)
    """
    registry = Registry()
    source, _, name = stated.partition(":")
    if not name and source not in registry.names("model"):
        sources = nearest(source, registry.names("model"))
        raise ConfigError(f"--model: expected SOURCE:NAME, such as torchvision:resnet50, got {stated!r}; {sources}")
    keys = list(keys_of(registry.find("model", source).cls))
    if name and not keys:
        raise ConfigError(f"--model: {source} has one model alone, got {name!r} of it; say --model {source}")
    called = {keys[0]: name} if name else {}
    config = read_model({"source": source, **called, **_weights(stated, keys, weights, random), **options}, registry)
    opened: OpenedModel = instantiate("model", config.source, registry).open()
    chosen = opened.transform if transform is None else _stated(transform, opened)
    if chosen is None:
        raise ConfigError(
            f"--transform: {source} does not know how pictures of {stated} are prepared; say --transform imagenet"
        )
    classes = opened.classes if config.classes is None else read_classes(config.classes)[0]
    return NamedModel(opened.module.to(pick_device(device)), chosen, classes, config.output)


def _stated(transform: Any, model: OpenedModel) -> Prepare:
    """The transform of photographs that is stated for a model. Raises ConfigError in the words of the option."""
    try:
        data = DataConfig(Use("files"), transform=read_transform(transform))
        return stated_transform(model, data, Photograph("a photograph", bytes), Path())
    except ConfigError as error:
        raise ConfigError([problem.replace("data.transform", "--transform") for problem in error.problems]) from error


def _weights(stated: str, keys: list[str], weights: str | None, random: bool) -> dict[str, Any]:
    """The options that say which weights. Raises ConfigError where the source has none of that name."""
    if weights is not None and random:
        raise ConfigError("--weights: expected none beside --random")
    if weights is None and not random:
        return {}
    if random and "pretrained" in keys:
        return {"pretrained": False}
    if "weights" not in keys:
        raise ConfigError(f"--weights: models such as {stated!r} have no choice of weights")
    return {"weights": weights}
