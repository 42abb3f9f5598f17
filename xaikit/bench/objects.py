"""A model that a call of ``xaikit.run`` is handed as an object, in place of the name of one in a config."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from xaikit.errors import ConfigError
from xaikit.hookspecs import hookimpl
from xaikit.sources import ModelSource, OpenedModel


@dataclass(frozen=True)
class ObjectModel:
    """A module that ``xaikit.run(config, model=module)`` was handed.

    name  what a person calls it: its class, unless the config says otherwise
    """

    name: str = "model"

    def open(self) -> OpenedModel:
        """Raises ConfigError: a file cannot hold the module."""
        raise ConfigError(
            "model: expected the module itself, which no file holds; write xaikit.run(config, model=module)"
        )


@dataclass(frozen=True)
class Objects:
    """What a call was handed beside its config. It is pickled for workers that are processes of their own."""

    model: nn.Module | None = None

    def __post_init__(self) -> None:
        if self.model is not None and not isinstance(self.model, nn.Module):
            raise ConfigError(f"model: expected a torch.nn.Module, got {type(self.model).__name__}")

    def overrides(self) -> list[str]:
        """What a config has to say for them."""
        return [] if self.model is None else ["model.source=object", f"model.name={type(self.model).__name__}"]

    def opened(self, source: ModelSource) -> OpenedModel:
        """What the source opens; the module, where that is what the source means. Raises ConfigError."""
        if self.model is None or not isinstance(source, ObjectModel):
            return source.open()
        return OpenedModel(self.model, origin="handed to xaikit.run")


def device_of(model: nn.Module) -> torch.device:
    """Of a module's first parameter or buffer; the CPU where it has none."""
    tensors = [*model.parameters(), *model.buffers()]
    return tensors[0].device if tensors else torch.device("cpu")


@hookimpl
def xaikit_model() -> type:
    return ObjectModel
