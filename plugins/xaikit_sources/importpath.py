"""Any model: what a Python function returns, pkg.module:factory or ./file.py:factory."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from xaikit import ConfigError, hookimpl, module_from_file, nearest
from xaikit.sources import OpenedModel
from xaikit_sources._classes import read_classes
from xaikit_sources._imagenet import wnids_of
from xaikit_sources._paths import missing
from xaikit_sources._weights import Weights, build, file_of, is_none, load_state, read_state


@dataclass(frozen=True)
class ImportPath:
    """What the factory returns, in evaluation mode. Nothing is known of its pictures: state ``data.transform``.

    factory  ``pkg.module:factory`` or ``./file.py:factory``, relative to the working directory
    kwargs   what the factory is called with
    weights  a state-dict file (.pth, .pt, .safetensors) to put into the model; of a checkpoint that holds more,
             ``{file: net.ckpt, key: state_dict, prefix: model.}``
    classes  the name of each output: a list, or a text file with one name a line
    seed     of the weights that the factory draws
    """

    factory: str
    kwargs: dict[str, Any] = field(default_factory=dict)
    weights: Weights = None
    classes: str | list[str] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        left, _, right = self.factory.rpartition(":")
        if not (left and right.isidentifier()):
            raise ValueError(f"factory: expected 'pkg.module:factory' or './file.py:factory', got {self.factory!r}")

    def open(self) -> OpenedModel:
        """The model.

        Raises:
            ConfigError: the factory cannot be imported, fails, or returns no ``nn.Module``; weights do not fit.
        """
        module = build(self._where, self.seed, partial(self._factory(), **self.kwargs))
        if not isinstance(module, nn.Module):
            raise ConfigError(f"{self._where}: expected a torch.nn.Module, got {type(module).__name__}")
        if not is_none(self.weights):
            load_state(module, read_state(self.weights, self._where), f"{self._where}: {self._file_of_weights}")
        classes = self._classes()
        origin = f"{self.factory}, seed {self.seed}" if is_none(self.weights) else self._file_of_weights
        return OpenedModel(module.eval(), None, classes, wnids_of(classes), origin)

    @property
    def _where(self) -> str:
        return f"model importpath {self.factory!r}"

    @property
    def _file_of_weights(self) -> str:
        return file_of(self.weights, self._where)

    def _factory(self) -> Any:
        left, _, right = self.factory.rpartition(":")
        module = (
            self._file(left)
            if left.endswith(".py")
            else build(self._where, self.seed, partial(importlib.import_module, left))
        )
        factory = getattr(module, right, None)
        if not callable(factory):
            offered = [name for name, value in vars(module).items() if callable(value)]
            raise ConfigError(f"{self._where}: {left} has no function {right!r}; {nearest(right, offered)}")
        return factory

    def _file(self, file: str) -> ModuleType:
        path = Path(file).expanduser()
        if not path.is_file():
            raise ConfigError(f"{self._where}: {missing(file)}")
        module: ModuleType = build(self._where, self.seed, partial(module_from_file, path.resolve(), "model"))
        return module

    def _classes(self) -> tuple[str, ...] | None:
        if self.classes is None or not isinstance(self.classes, str):
            return tuple(self.classes) if self.classes else None
        return read_classes(self.classes, self._where)


@hookimpl
def xaikit_model() -> type:
    return ImportPath
