"""Plugins without any torch behind them, and a registry that offers them and nothing else."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import Any, ClassVar, Literal

from xaikit.hookspecs import hookimpl
from xaikit.needs import Needs
from xaikit.registry import KINDS, Registry


@dataclass(frozen=True)
class Grad:
    needs: ClassVar[Needs] = Needs(gradients=1)
    traits: ClassVar[frozenset[str]] = frozenset({"deterministic"})
    explain: ClassVar[Any] = None


@dataclass(frozen=True)
class Smooth:
    needs: ClassVar[Needs] = Needs(gradients=1, reruns=True)
    explain: ClassVar[Any] = None
    n: int = 4
    std: float = 1
    variant: Literal["paper", "corrected"] = "corrected"
    note: str | None = None
    sizes: tuple[int, ...] | int = (3, 5)

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ValueError(f"n: expected at least 1, got {self.n}")
        if self.std == self.n:
            raise ValueError("std and n must differ")


@dataclass(frozen=True)
class Layer:
    needs: ClassVar[Any] = None
    explain: ClassVar[Any] = None
    paper: ClassVar[dict[str, Any]] = {"rectify": "relu", "scale": {"use": "tanh", "max_stride": 4}, "fuse": "auto"}


@dataclass(frozen=True)
class Astray:
    """Its paper asks for what does not exist."""

    needs: ClassVar[Any] = None
    explain: ClassVar[Any] = None
    paper: ClassVar[dict[str, Any]] = {"scale": "tahn"}


@dataclass(frozen=True)
class Top:
    pin: ClassVar[Any] = None
    k: int = 1


@dataclass(frozen=True)
class Logit:
    pin: ClassVar[Any] = None
    index: int


@dataclass(frozen=True)
class Classes:
    pin: ClassVar[Any] = None
    of: tuple[int, ...]


@dataclass(frozen=True)
class Label:
    pin: ClassVar[Any] = None


@dataclass(frozen=True)
class Stage:
    signed: ClassVar[bool] = False
    drops_negative: ClassVar[bool] = True
    rectify: ClassVar[Any] = None
    normalize: ClassVar[Any] = None
    size: ClassVar[Any] = None
    fuse: ClassVar[Any] = None


@dataclass(frozen=True)
class Tanh:
    scale: ClassVar[Any] = None
    gamma: float = 2.0
    max_stride: float | None = None


@dataclass(frozen=True)
class Size:
    size: ClassVar[Any] = None
    to: tuple[int, ...]


@dataclass(frozen=True)
class Zoo:
    open: ClassVar[Any] = None
    name: str
    weights: str = "DEFAULT"


@dataclass(frozen=True)
class Folder:
    photographs: ClassVar[Any] = None
    path: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Serial:
    execute: ClassVar[Any] = None
    threads: int | None = None


@dataclass(frozen=True)
class Actors:
    execute: ClassVar[Any] = None
    workers: int = 2


OFFERED: dict[str, dict[str, type]] = {
    "method": {"grad": Grad, "smooth": Smooth, "layer": Layer, "astray": Astray},
    "target": {"top": Top, "logit": Logit, "classes": Classes, "label": Label},
    "rectifier": {"relu": Stage, "abs": Stage},
    "normalizer": {"max": Stage, "minmax": Stage},
    "scaler": {"tanh": Tanh},
    "resizer": {"input": Stage, "largest": Stage, "size": Size},
    "fuser": {"max": Stage, "mean": Stage},
    "model": {"zoo": Zoo, "other": Zoo},
    "data": {"folder": Folder, "files": Folder},
    "executor": {"serial": Serial, "actors": Actors},
}


def fake_registry(*more: EntryPoint) -> Registry:
    """A registry of the plugins above, and of further entry points."""
    points = [_offer(kind, name, cls) for kind, classes in OFFERED.items() for name, cls in classes.items()]
    return Registry(entry_points=[*points, *more], disabled=())


def _offer(kind: str, name: str, cls: type) -> EntryPoint:
    module = ModuleType(f"fake_{kind}_{name}")
    setattr(module, KINDS[kind].hook, hookimpl(lambda: cls))
    sys.modules[module.__name__] = module
    return EntryPoint(name, module.__name__, KINDS[kind].group)
