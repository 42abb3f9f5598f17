"""From a Config to the points of a sweep, each a tuple of trials. Plain data, no torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xaikit.config import STAGES, Config, FinishConfig, MethodConfig, Precision, Use, read_finish
from xaikit.errors import ConfigError, PluginContract
from xaikit.registry import Registry

DEFAULTS: Mapping[str, Use] = {
    "rectify": Use("none"),
    "normalize": Use("max"),
    "scale": Use("none"),
    "resize": Use("input"),
    "fuse": Use("max"),
}
"""The finish where neither the method's paper nor the config says otherwise."""


@dataclass(frozen=True)
class Trial:
    """One label with nothing left to vary: the unit of sharing, caching and storing."""

    label: str
    use: str
    options: Mapping[str, Any]
    layers: tuple[str, ...]
    target: Use
    precision: Precision
    seed: int
    finish: FinishConfig

    def key(self) -> str:
        """The SHA-256 of everything but the label, in hexadecimal."""
        said = {
            "use": self.use,
            "options": dict(self.options),
            "layers": list(self.layers),
            "target": self.target.plain(),
            "precision": self.precision,
            "seed": self.seed,
            "finish": self.finish.plain(),
        }
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def expand(config: Config, registry: Registry) -> tuple[tuple[Trial, ...], ...]:
    """The points of a config, in order; one, as long as configs have no ``sweep``."""
    base = Path(config.base)
    return (tuple(_trial(config, label, method, registry, base) for label, method in config.methods.items()),)


def _trial(config: Config, label: str, method: MethodConfig, registry: Registry, base: Path) -> Trial:
    paper = getattr(registry.find("method", method.use, base).cls, "paper", {})
    return Trial(
        label=label,
        use=method.use,
        options=method.options,
        layers=method.layers or config.layers,
        target=method.target or config.target,
        precision=config.precision,
        seed=config.seed,
        finish=effective_finish(paper, config.finish, method.finish, registry),
    )


def effective_finish(
    paper: Mapping[str, Any], general: FinishConfig, own: Mapping[str, Use], registry: Registry
) -> FinishConfig:
    """Stage by stage: the label's own word, else the config's, else the paper's, else the default.

    ``auto`` hands back to the paper. A stage that is stated replaces the one below it whole; none is ``auto`` afterwards.

    Raises:
        PluginContract: what the paper asks for does not exist.
    """
    try:
        asked = {stage: use for stage, use in read_finish(paper, registry).items() if use.use != "auto"}
    except ConfigError as error:
        raise PluginContract(f"the finish that a method's paper asks for: {error}") from error
    stated = {**general.stages(), **own}

    def choose(stage: str) -> Use:
        choice = stated[stage]
        return asked.get(stage, DEFAULTS[stage]) if choice.use == "auto" else choice

    return FinishConfig(**{stage: choose(stage) for stage in STAGES})
