"""The kinds of plugins: entry-point group, hook, and what the class of each must offer."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from xaikit.errors import PluginContract


@dataclass(frozen=True)
class Kind:
    """One kind of plugin: its entry-point group, its hook, and what its classes must offer."""

    group: str
    hook: str
    members: tuple[str, ...]
    reserved: frozenset[str] = frozenset({"use"})


KINDS: dict[str, Kind] = {
    "method": Kind(
        "xaikit.methods",
        "xaikit_method",
        ("needs", "explain"),
        frozenset({"use", "layers", "target", "output", "augment", "reduce", "finish"}),
    ),
    "metric": Kind("xaikit.metrics", "xaikit_metric", ("needs", "reads", "higher_is_better", "range", "measure")),
    "target": Kind("xaikit.targets", "xaikit_target", ("pin",)),
    "rectifier": Kind("xaikit.rectifiers", "xaikit_rectifier", ("signed", "drops_negative", "rectify")),
    "normalizer": Kind("xaikit.normalizers", "xaikit_normalizer", ("signed", "normalize")),
    "scaler": Kind("xaikit.scalers", "xaikit_scaler", ("scale",)),
    "resizer": Kind("xaikit.resizers", "xaikit_resizer", ("size",)),
    "fuser": Kind("xaikit.fusers", "xaikit_fuser", ("fuse",)),
    "model": Kind(
        "xaikit.models",
        "xaikit_model",
        ("open",),
        frozenset({"shared", "source", "output", "layout", "classes", "input_layout", "mode"}),
    ),
    "data": Kind(
        "xaikit.data",
        "xaikit_data",
        ("photographs",),
        frozenset({"source", "batch_size", "max_pixels", "workers", "transform"}),
    ),
    "layout": Kind("xaikit.layouts", "xaikit_layout", ("layout",)),
    "executor": Kind("xaikit.executors", "xaikit_executor", ("execute",)),
    "observer": Kind("xaikit.observers", "xaikit_observer", ("listen",)),
}


def check_class(kind: str, cls: type, where: str) -> None:
    """Refuse a class that is not what its kind asks for, naming what is missing.

    Raises:
        PluginContract: not a frozen dataclass, a member missing, or a field with a reserved name.
    """
    if not isinstance(cls, type) or not dataclasses.is_dataclass(cls):
        raise PluginContract(f"{where}: expected a frozen dataclass, got {cls!r}")
    if not cls.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        raise PluginContract(f"{where}: {cls.__name__} must be frozen: @dataclass(frozen=True)")
    missing = [member for member in KINDS[kind].members if not hasattr(cls, member)]
    if missing:
        raise PluginContract(f"{where}: {cls.__name__} lacks {', '.join(missing)}")
    clash = sorted({field.name for field in dataclasses.fields(cls)} & KINDS[kind].reserved)
    if clash:
        raise PluginContract(f"{where}: {cls.__name__} has a field with a reserved name: {', '.join(clash)}")
