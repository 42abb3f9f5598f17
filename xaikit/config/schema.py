"""What a config says, as frozen dataclasses; their fields are the keys of the YAML.

Options are plain values, as JSON knows them, with every default filled in: two ways to write the same thing are equal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, Literal

from pydantic import Field

from xaikit.config.migration import VERSION

Side = Annotated[int, Field(ge=1)]
Colour = tuple[float, float, float]

STAGES: Mapping[str, str] = {
    "rectify": "rectifier",
    "normalize": "normalizer",
    "scale": "scaler",
    "resize": "resizer",
    "fuse": "fuser",
}
"""The stages of a finish in their order, each with the kind of its plugins."""

Precision = Literal["float32", "bfloat16", "float16"]
"""Of the passes that only score variants (autocast); float32 is none. The pass that is traced keeps the model's type."""

WORDS = ("auto", "none")
"""What a finish stage may say instead of a plugin: what the paper says, and nothing at all."""


@dataclass(frozen=True)
class Use:
    """A plugin by name, ``distribution:name``, ``package.module:Class`` or ``./file.py:Class``, and its options."""

    use: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def plain(self, key: str = "use") -> dict[str, Any]:
        """As YAML would say it, the plugin's name under ``key``."""
        return {key: self.use, **self.options}


@dataclass(frozen=True)
class MethodConfig:
    """One label of ``methods``: None and a missing stage of ``finish`` mean what the config says for all."""

    use: str
    options: Mapping[str, Any] = field(default_factory=dict)
    layers: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    target: Use | None = None
    finish: Mapping[str, Use] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """As YAML would say it."""
        said: dict[str, Any] = {"use": self.use, **self.options}
        if self.layers is not None:
            said["layers"] = list(self.layers)
        if self.target is not None:
            said["target"] = self.target.plain()
        if self.finish:
            said["finish"] = {stage: _stage(use) for stage, use in self.finish.items()}
        return said


@dataclass(frozen=True)
class FinishConfig:
    """One choice a stage; ``Use("auto")`` hands back to the method's paper, ``Use("none")`` leaves the stage out."""

    rectify: Use = Use("auto")
    normalize: Use = Use("auto")
    scale: Use = Use("auto")
    resize: Use = Use("auto")
    fuse: Use = Use("auto")

    def stages(self) -> dict[str, Use]:
        """The stages in their order."""
        return {stage: getattr(self, stage) for stage in STAGES}

    def plain(self) -> dict[str, Any]:
        """As YAML would say it."""
        return {stage: _stage(use) for stage, use in self.stages().items()}


@dataclass(frozen=True)
class ModelConfig:
    """Where the model comes from, and which output is explained: ``auto``, a key or an index."""

    source: Use
    output: str | int = "auto"

    def plain(self) -> dict[str, Any]:
        """As YAML would say it."""
        return {**self.source.plain("source"), "output": self.output}


@dataclass(frozen=True)
class TransformConfig:
    """How pictures are prepared; None is what the model's source says. Pixels, and units of [0, 1]."""

    size: Side | tuple[Side, Side] | None = None
    crop: Side | tuple[Side, Side] | None = None
    mean: Colour | None = None
    std: Colour | None = None

    def plain(self) -> dict[str, Any]:
        """As YAML would say it: only what is stated."""
        stated = {item.name: getattr(self, item.name) for item in fields(self)}
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in stated.items()
            if value is not None
        }


@dataclass(frozen=True)
class DataConfig:
    """Where the pictures come from, and how many go through the model at once."""

    source: Use
    batch_size: Annotated[int, Field(ge=1)] = 8
    workers: Annotated[int, Field(ge=0)] = 0
    transform: TransformConfig | None = None

    def plain(self) -> dict[str, Any]:
        """As YAML would say it."""
        said = {**self.source.plain("source"), "batch_size": self.batch_size, "workers": self.workers}
        return said if self.transform is None else {**said, "transform": self.transform.plain()}


@dataclass(frozen=True)
class ReportConfig:
    """The folder that a run is written to (``runs/<name>`` where none is given), and whether overlays are drawn."""

    to: str | None = None
    overlays: bool = True

    def plain(self) -> dict[str, Any]:
        """As YAML would say it."""
        return {"to": self.to, "overlays": self.overlays}


@dataclass(frozen=True)
class Config:
    """What the YAML says, resolved: no shorthand, no interpolation, every default filled in.

    origins  where each value came from, by full key: ``file:line:column``, ``override 'a.b=c'``, ``argument``
             (a mapping in Python) or ``default``. A list is one value.
    base     the folder that plugin files (``use: ./mycam.py:MyCam``) are relative to

    Neither of the two takes part in comparisons.
    """

    name: str
    model: ModelConfig
    data: DataConfig
    methods: Mapping[str, MethodConfig]
    version: int = VERSION
    seed: Annotated[int, Field(ge=0)] = 0
    device: str = "auto"
    precision: Precision = "float32"
    target: Use = Use("top", {"k": 1})
    layers: Annotated[tuple[str, ...], Field(min_length=1)] = ("auto",)
    finish: FinishConfig = FinishConfig()
    report: ReportConfig = ReportConfig()
    executor: str = "serial"
    origins: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    base: str = field(default=".", compare=False)

    def plain(self) -> dict[str, Any]:
        """The resolved config as YAML would say it; ``load(config.plain()) == config``."""
        return {
            "version": self.version,
            "name": self.name,
            "seed": self.seed,
            "device": self.device,
            "precision": self.precision,
            "model": self.model.plain(),
            "data": self.data.plain(),
            "target": self.target.plain(),
            "layers": list(self.layers),
            "methods": {label: method.plain() for label, method in self.methods.items()},
            "finish": self.finish.plain(),
            "report": self.report.plain(),
            "executor": self.executor,
        }


def defaults(name: str) -> dict[str, Any]:
    """What a config says where it says nothing, as YAML would; targets and finishes stay with the class, to be stated whole."""
    keys = ("version", "seed", "device", "precision", "executor")
    simple = {item.name: item.default for item in fields(Config) if item.name in keys}
    return {"name": name, **simple, "layers": list(Config.layers), "report": ReportConfig().plain()}


def _stage(use: Use) -> str | dict[str, Any]:
    return use.plain() if use.options else use.use
