"""Your own model: a function that builds it, by import path or file."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn
from xaikit import ConfigError, hookimpl, nearest
from xaikit.sources import OpenedModel

from xaikit_sources import _weights


@dataclass(frozen=True)
class ImportPath:
    """What ``factory(**kwargs)`` returns. A config that names a factory runs its code: use configs that you trust.

    factory  package.module:function, or ./file.py:function (relative to the working directory)
    kwargs   what it is called with
    weights  a local state-dict file, or none for what the factory gives
    classes  the class names in the order of the outputs, or a text file with one a line
    """

    factory: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    weights: str | None = None
    classes: tuple[str, ...] | str | None = None

    def open(self) -> OpenedModel:
        """Call the factory. Raises ConfigError where it cannot be found, fails, or returns no module."""
        build = self._function()
        try:
            module = build(**self.kwargs)
        except Exception as error:
            raise ConfigError(f"model.factory: {self.factory} raised {type(error).__name__}: {error}") from error
        if not isinstance(module, nn.Module):
            raise ConfigError(
                f"model.factory: expected {self.factory} to return an nn.Module, got {type(module).__name__}"
            )
        origin = _weights.load(module, self.weights) if self.weights else self.factory
        return OpenedModel(module, classes=self._classes(), origin=origin)

    def _function(self) -> Any:
        left, colon, name = self.factory.rpartition(":")
        if not colon:
            raise ConfigError(f"model.factory: expected package.module:function, got {self.factory!r}")
        try:
            module = _from_file(Path(left)) if left.endswith(".py") else importlib.import_module(left)
        except Exception as error:
            raise ConfigError(f"model.factory: {left} cannot be imported: {type(error).__name__}: {error}") from error
        if not callable(getattr(module, name, None)):
            offered = [key for key, value in vars(module).items() if callable(value)]
            raise ConfigError(f"model.factory: {left} has no function {name!r}; {nearest(name, offered)}")
        return getattr(module, name)

    def _classes(self) -> tuple[str, ...] | None:
        if not isinstance(self.classes, str):
            return self.classes
        file = Path(self.classes).expanduser()
        if not file.is_file():
            raise ConfigError(f"model.classes: there is no file {self.classes}")
        return tuple(line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line.strip())


def _from_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"xaikit_model_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@hookimpl
def xaikit_model() -> type:
    return ImportPath
