"""What a config says, as frozen dataclasses; their fields are the keys of the YAML.

Options are plain values, as JSON knows them, with every default filled in: two ways to write the same thing are equal.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field

from xaikit.plain.faults import Path, at
from xaikit.schema.boxes import BoxesConfig
from xaikit.schema.class_files import NAMES
from xaikit.schema.data import DataConfig as DataConfig
from xaikit.schema.data import TransformConfig as TransformConfig
from xaikit.schema.keys import FIXED, HIDDEN, INLINE, Key, PluginKey, Section, Use, fields_of, keys_of
from xaikit.schema.labels import MetricConfig as MetricConfig
from xaikit.schema.labels import ObserverConfig as ObserverConfig
from xaikit.schema.scalars import VERSION, Device, Layers, RunName, Seconds, Shares, Version

Precision = Literal["float32", "bfloat16", "float16"]
"""Of the passes that only score variants (autocast); float32 is none. The pass that is traced keeps the model's type."""

Reduce = Literal["sum", "principal"]
"""How weighed channels become a map: their sum, or their first principal component."""

Mode = Literal["eval", "as_is"]

AUTO = Use("auto")
TOP = Use("top", {"k": 1})
SERIAL = Use("serial", {"threads": None})
WORDS = ("auto", "none")
"""What a finish stage may say instead of a plugin: what the paper says, and nothing at all."""


@dataclass(frozen=True)
class AugmentConfig(Section):
    """Variants of the input whose raw maps are undone and averaged before the finish: every combination is one pass.

    flip   the mirror image beside the picture itself
    scale  sizes, as shares of the input's own; raw maps weigh as many places as they have
    gain   factors of the input's values, as pytorch-grad-cam's ``aug_smooth`` has them
    noise  standard deviation of normal noise, in units of the model's input; draws: noisy copies of each
    """

    brief = True
    flip: bool = False
    scale: Shares = (1.0,)
    gain: Shares = (1.0,)
    noise: Annotated[float, Field(ge=0)] = 0.0
    draws: Annotated[int, Field(ge=1)] = 1

    def __post_init__(self) -> None:
        if self.draws > 1 and not self.noise:
            raise ValueError(f"draws: expected 1 without noise, got {self.draws}; add noise: 0.1")

    def __bool__(self) -> bool:
        return self != AugmentConfig()

    @property
    def count(self) -> int:
        """Passes that take the place of one."""
        return (1 + self.flip) * len(self.scale) * len(self.gain) * self.draws

    @property
    def has_clean(self) -> bool:
        """Whether one of them is the pass on the inputs as they are, which is made anyhow."""
        return not self.noise and 1.0 in self.scale and 1.0 in self.gain


UNCHANGED = AugmentConfig()
"""The inputs as they are."""


@dataclass(frozen=True)
class Aggregation(Section):
    """How a label's raw maps are taken, whatever its method: from which variants of the input, and what is made of channels."""

    brief = True
    augment: AugmentConfig = UNCHANGED
    reduce: Reduce = "sum"

    def __bool__(self) -> bool:
        return self != Aggregation()


PLAIN = Aggregation()
"""From the inputs as they are, by a sum."""


@dataclass(frozen=True)
class FinishConfig(Section):
    """One choice a stage; ``Use("auto")`` hands back to the method's paper, ``Use("none")`` leaves the stage out."""

    rectify: Annotated[Use, PluginKey("rectifier", WORDS)] = AUTO
    normalize: Annotated[Use, PluginKey("normalizer", WORDS)] = AUTO
    scale: Annotated[Use, PluginKey("scaler", WORDS)] = AUTO
    resize: Annotated[Use, PluginKey("resizer", WORDS)] = AUTO
    fuse: Annotated[Use, PluginKey("fuser", WORDS)] = AUTO

    def stages(self) -> dict[str, Use]:
        """The stages in their order."""
        return {stage: getattr(self, stage) for stage in STAGES}


STAGES: Mapping[str, str] = {stage: key.plugin.kind for stage, key in keys_of(FinishConfig).items() if key.plugin}
"""The stages of a finish in their order, each with the kind of its plugins."""


@dataclass(frozen=True)
class MethodConfig(Section):
    """One label of ``methods``: None and a missing stage of ``finish`` mean what the config says for all, and no ``output`` what
    ``model.output`` says."""

    brief = True
    use: str
    options: Annotated[Mapping[str, Any], INLINE] = field(default_factory=dict)
    layers: Layers | None = None
    target: Annotated[Use | None, PluginKey("target", long=True)] = None
    output: str | int | None = None
    augment: AugmentConfig | None = None
    reduce: Reduce | None = None
    finish: Annotated[Mapping[str, Use], FinishConfig] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelConfig(Section):
    """Where the model comes from, which output is explained (``auto``, a key or an index), and how tensors are arranged at its
    layers and in its input (None: found from the model). In ``mode`` eval all modules evaluate; as_is: as its source left it.
    ``classes`` are what its outputs are called: a list of names, a text file with one a line, or ``imagenet`` (None: as its
    source calls them). ``shared`` are inputs that are no sample's, by name or position, as prompts of all pictures."""

    source: Annotated[Use, INLINE]
    classes: Annotated[str | tuple[str, ...] | None, NAMES] = None
    output: str | int = "auto"
    mode: Mode = "eval"
    shared: tuple[str | int, ...] = ()
    layout: Annotated[Use | None, PluginKey("layout", long=True)] = None
    input_layout: Annotated[Use | None, PluginKey("layout", long=True)] = None


@dataclass(frozen=True)
class ReportConfig(Section):
    """What a run writes, and where.

    to        the folder; ``runs/<name>`` where none is given
    overlays  whether overlays and contact sheets are drawn; ``auto``: unless a sweep would draw more than a thousand
    on        of overlays: the crop that the model saw, or the original photograph around it
    colormap  of overlays; ``auto``: sequential, of maps that may be negative diverging
    alpha     the share of the map's colours in an overlay; maps that may be negative lie over grey, their colours count by |x|
    colorbar  whether a bar beside each overlay says what its colours stand for
    rows      photographs on a page of the contact sheet
    columns   of a page of the contact sheet, the photograph itself among them
    format    of overlays; contact sheets are jpg where it is png, which is too large for them
    page      whether report.html is written, which shows and compares all of this in a browser
    boxes     of what stands out: a table of them, boxes.csv; none by default
    maps      how raw maps are kept
    shard     photographs that are committed together, rounded up to whole batches; a kill loses at most these
    """

    to: str | None = None
    overlays: bool | Literal["auto"] = "auto"
    on: Literal["crop", "original"] = "crop"
    colormap: Literal["auto", "sequential", "diverging", "gray", "jet", "viridis"] = "auto"
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.5
    colorbar: bool = True
    rows: Annotated[int, Field(ge=1)] = 24
    columns: Annotated[int, Field(ge=2)] = 8
    format: Literal["png", "jpg", "webp", "pdf"] = "png"
    page: bool = True
    boxes: BoxesConfig | None = None
    maps: Literal["float16", "uint8", "float32"] = "float16"
    shard: Annotated[int, Field(ge=1)] = 64


@dataclass(frozen=True)
class SweepConfig(Section):
    """What varies: full keys, and values without their shorthand. It is false where nothing does.

    axes     the values of a key; axes multiply
    zip      axes that move together, their lists of one length
    exclude  points to drop: the values of some axes, all of which a point must have
    include  points to add: one value a key; what an entry does not name is as the config says
    limit    how many points there may be, those that are excluded among them
    """

    brief = True
    axes: Annotated[Mapping[str, Sequence[Any]], INLINE] = field(default_factory=dict)
    zip: Sequence[Mapping[str, Sequence[Any]]] = ()
    exclude: Sequence[Mapping[str, Sequence[Any]]] = ()
    include: Sequence[Mapping[str, Any]] = ()
    limit: int = 200_000

    def __bool__(self) -> bool:
        return bool(self.axes or self.zip or self.exclude or self.include)


@dataclass(frozen=True, kw_only=True)
class Config(Section):
    """What the YAML says, resolved: no shorthand, no interpolation, every default filled in.

    origins  where each value came from, by full key: ``file:line:column``, ``override 'a.b=c'``, ``argument``
             (a mapping in Python) or ``default``. A list is one value.
    base     the folder that plugin files (``use: ./mycam.py:MyCam``) are relative to
    environment  by path, what is written where a value comes of the environment
    loaded   what :func:`xaikit.config.load` made it from, and the points of its sweep: see :mod:`xaikit.config.loaded`

    objects  what the call was handed beside it: see :mod:`xaikit.bench.objects`

    None of the five takes part in comparisons.
    """

    version: Annotated[Version, FIXED] = VERSION
    name: Annotated[RunName, FIXED]
    seed: Annotated[int, Field(ge=0)] = 0
    device: Annotated[Device, FIXED] = "auto"
    precision: Precision = "float32"
    model: ModelConfig
    data: DataConfig
    target: Annotated[Use, PluginKey("target", long=True)] = TOP
    layers: Layers = ("auto",)
    methods: Mapping[str, MethodConfig]
    augment: AugmentConfig = UNCHANGED
    reduce: Reduce = "sum"
    finish: FinishConfig = FinishConfig()
    metrics: Mapping[str, MetricConfig] = field(default_factory=dict)
    controls: bool = True
    report: Annotated[ReportConfig, FIXED] = ReportConfig()
    executor: Annotated[Use, PluginKey("executor"), FIXED] = SERIAL
    budget: Annotated[Seconds | None, FIXED] = None
    observers: Annotated[Mapping[str, ObserverConfig], FIXED] = field(default_factory=dict)
    sweep: Annotated[SweepConfig, FIXED] = SweepConfig()
    origins: Annotated[Mapping[str, str], HIDDEN] = field(default_factory=dict, compare=False, repr=False)
    base: Annotated[str, HIDDEN] = field(default=".", compare=False)
    environment: Annotated[Mapping[Path, Any], HIDDEN] = field(default_factory=dict, compare=False, repr=False)
    loaded: Annotated[Any, HIDDEN] = field(default=None, compare=False, repr=False)
    objects: Annotated[Any, HIDDEN] = field(default=None, compare=False, repr=False)

    def plain(self) -> dict[str, Any]:
        """The resolved config as YAML would say it; ``load(config.plain()) == config``."""
        plain = super().plain()
        left_out = {
            "sweep": not self.sweep,
            "observers": not self.observers,
            "metrics": not self.metrics,
            "controls": not self.metrics and self.controls,
        }
        return {key: value for key, value in plain.items() if not left_out.get(key)}

    def written(self) -> dict[str, Any]:
        """The same for a file: what comes of the environment, a token perhaps, as the reference that was written."""
        plain = copy.deepcopy(self.plain())
        for path, text in self.environment.items():
            holder = at(plain, path[:-1])
            if isinstance(holder, dict):
                holder[str(path[-1])] = text
        return plain


def defaults(name: str) -> dict[str, Any]:
    """What a config says where it says nothing, as YAML would; plugins stay with the class, to be stated whole."""
    keys = keys_of(Config).items()
    values = {name: key.default() for name, key in keys if key.default and not (key.plugin or key.section)}
    return {"name": name, **values, "layers": list(Config.layers), "report": Config.report.plain()}


LABELLED = ("methods", "metrics", "observers")
"""Keys whose own keys are labels, each of a plugin."""


def key_at(path: Path) -> Key | None:
    """The key at a path of a config; None for the config itself, for a label and for what is no key of ours."""
    if path[:1] and path[0] in LABELLED and len(path) > 1:
        path = path[:1] + path[2:] if len(path) > 2 else ()
    key: Key | None = None
    section: type[Section] | None = Config
    for part in path:
        key = fields_of(section).get(str(part)) if section else None
        key = None if key is None or INLINE in key.marks else key
        section = key.section if key else None
    return key


VARIES = tuple(key for key, field in keys_of(Config).items() if FIXED not in field.marks)
"""The keys of a config that maps depend on, or what is measured of them."""


def is_fixed(path: Path) -> bool:
    """Whether maps do not depend on what stands at a path, so that it may not vary."""
    keys = [key_at(path[:length]) for length in range(1, len(path) + 1)]
    return any(key is not None and FIXED in key.marks for key in keys)
