"""Targets that name classes, once the model has told what its outputs are called."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from xaikit.config.arguments import read_target
from xaikit.errors import ConfigError, nearest
from xaikit.plain.text import flow
from xaikit.registry import Registry
from xaikit.schema.classes import Classes
from xaikit.schema.keys import Use
from xaikit.schema.sections import Config
from xaikit.schema.shorthand import of_class
from xaikit.trials.placement import NamedTrial


def named_classes(
    placed: Sequence[NamedTrial], classes: Classes, config: Config, registry: Registry
) -> tuple[NamedTrial, ...]:
    """The trials with classes by their indices: who names a class and who numbers it asks for the same evidence.

    Raises:
        ConfigError: the model has no such class, or a target has its name.
    """
    targets: dict[int, Use] = {}
    for each in placed:
        use, label = each.trial.target, each.trial.label
        own = config.methods[label].target if label in config.methods else None
        key = "target" if own is None else f"methods.{label}.target"
        if id(use) not in targets:
            targets[id(use)] = target_of_classes(use, classes, key, config, registry)
    return tuple(
        each
        if targets[id(each.trial.target)] is each.trial.target
        else dataclasses.replace(each, trial=dataclasses.replace(each.trial, target=targets[id(each.trial.target)]))
        for each in placed
    )


def target_of_classes(use: Use, classes: Classes, key: str, config: Config, registry: Registry) -> Use:
    """A target with its classes by their indices; itself where it names none.

    Args:
        key: of the config, where the target stands.

    Raises:
        ConfigError: the model has no such class, or a target has its name.
    """
    origin = config.origins.get(f"{key}.use", "default")
    where = key if origin in ("default", "argument") else f"{origin}: {key}"
    if origin != "default" and classes.names and use.use in classes.names and _is_alone(use, registry):
        raise ConfigError(
            f"{where}: {use.use!r} is a target and a class of this model; write {{use: xaikit:{use.use}}}, the target, or "
            f"{flow(of_class(use.use))}, the class"
        )
    return by_indices(use, classes, where, registry, Path(config.base))


def by_indices(use: Use, classes: Classes, where: str, registry: Registry, base: Path | None = None) -> Use:
    """The same, wherever the target was stated."""
    cls = registry.find("target", use.use, base).cls
    try:
        options = classes.with_indices(cls, use.options, where)
    except ConfigError as error:
        word = str(use.options.get("index", ""))
        if use.plain() != of_class(word):
            raise
        targets = nearest(word, registry.names("target"))
        raise ConfigError(f"{error}; nor is there a target of that name: {targets}") from error
    return use if options == use.options else Use(use.use, options)


def _is_alone(use: Use, registry: Registry) -> bool:
    """Whether a target says no more than its name does."""
    try:
        return read_target(use.use, registry) == use
    except ConfigError:  # it has options that must be stated
        return False
