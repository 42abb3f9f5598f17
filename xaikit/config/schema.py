"""What a config says, as frozen dataclasses; their fields are the keys of the YAML.

Options are plain values, as JSON knows them, with every default filled in: two ways to write the same thing are equal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, Literal

from pydantic import Field

from xaikit.config.aggregation import UNCHANGED, AugmentConfig, Reduce
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
    augment: AugmentConfig | None = None
    reduce: Reduce | None = None

    def plain(self) -> dict[str, Any]:
        """As YAML would say it."""
        said: dict[str, Any] = {"use": self.use, **self.options}
        if self.layers is not None:
            said["layers"] = list(self.layers)
        if self.target is not None:
            said["target"] = self.target.plain()
        if self.augment is not None:
            said["augment"] = self.augment.plain()
        if self.reduce is not None:
            said["reduce"] = self.reduce
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
    """Where the model comes from, and which output is explained: ``auto``, a key or an index.

    layout  how the tensors at all layers are arranged; None: found from their shapes
    """

    source: Use
    output: str | int = "auto"
    layout: Use | None = None

    def plain(self) -> dict[str, Any]:
        """As YAML would say it."""
        said = {**self.source.plain("source"), "output": self.output}
        return said if self.layout is None else {**said, "layout": self.layout.plain()}


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
    """What a run writes, and where.

    to        the folder; ``runs/<name>`` where none is given
    overlays  whether overlays are drawn
    maps      how raw maps are kept
    shard     photographs that are committed together, rounded up to whole batches; a kill loses at most these
    """

    to: str | None = None
    overlays: bool = True
    maps: Literal["float16", "uint8", "float32"] = "float16"
    shard: Annotated[int, Field(ge=1)] = 64

    def plain(self) -> dict[str, Any]:
        """As YAML would say it."""
        return {"to": self.to, "overlays": self.overlays, "maps": self.maps, "shard": self.shard}


@dataclass(frozen=True)
class SweepConfig:
    """What varies: full keys, and values without their shorthand. It is false where nothing does.

    axes     the values of a key; axes multiply
    zip      axes that move together, their lists of one length
    exclude  points to drop: the values of some axes, all of which a point must have
    include  points to add: one value a key; what an entry does not name is as the config says
    """

    axes: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    zip: Sequence[Mapping[str, Sequence[Any]]] = ()
    exclude: Sequence[Mapping[str, Sequence[Any]]] = ()
    include: Sequence[Mapping[str, Any]] = ()

    def __bool__(self) -> bool:
        return bool(self.axes or self.zip or self.exclude or self.include)

    def plain(self) -> dict[str, Any]:
        """As YAML would say it: only what is stated."""
        said: dict[str, Any] = {key: list(values) for key, values in self.axes.items()}
        for word in ("zip", "exclude"):
            if entries := getattr(self, word):
                said[word] = [{key: list(values) for key, values in entry.items()} for entry in entries]
        return {**said, "include": [dict(entry) for entry in self.include]} if self.include else said


@dataclass(frozen=True)
class Config:
    """What the YAML says, resolved: no shorthand, no interpolation, every default filled in.

    origins  where each value came from, by full key: ``file:line:column``, ``override 'a.b=c'``, ``argument``
             (a mapping in Python) or ``default``. A list is one value.
    base     the folder that plugin files (``use: ./mycam.py:MyCam``) are relative to
    loaded   what :func:`xaikit.config.load` made it from, and the points of its sweep: see :mod:`xaikit.config.loaded`

    None of the three takes part in comparisons.
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
    augment: AugmentConfig = UNCHANGED
    reduce: Reduce = "sum"
    finish: FinishConfig = FinishConfig()
    report: ReportConfig = ReportConfig()
    executor: Use = Use("serial", {"threads": None})
    budget: float | None = None
    sweep: SweepConfig = SweepConfig()
    origins: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    base: str = field(default=".", compare=False)
    loaded: Any = field(default=None, compare=False, repr=False)

    def plain(self) -> dict[str, Any]:
        """The resolved config as YAML would say it; ``load(config.plain()) == config``."""
        said = {
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
            "augment": self.augment.plain(),
            "reduce": self.reduce,
            "finish": self.finish.plain(),
            "report": self.report.plain(),
            "executor": _stage(self.executor),
            "budget": self.budget,
        }
        return {**said, "sweep": self.sweep.plain()} if self.sweep else said


def defaults(name: str) -> dict[str, Any]:
    """What a config says where it says nothing, as YAML would; plugins stay with the class, to be stated whole."""
    keys = ("version", "seed", "device", "precision", "reduce", "budget")
    simple = {item.name: item.default for item in fields(Config) if item.name in keys}
    return {"name": name, **simple, "layers": list(Config.layers), "report": ReportConfig().plain()}


def _stage(use: Use) -> str | dict[str, Any]:
    return use.plain() if use.options else use.use
