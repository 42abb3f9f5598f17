"""A model that xaikit.run was handed as a module, in place of a name in the config."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, Subset, default_collate

from xaikit.bench.datasets import ObjectData, Samples
from xaikit.errors import ConfigError
from xaikit.hookspecs import hookimpl
from xaikit.sources import DataSource, ModelSource, OpenedModel, Photograph


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


class OpenModels:
    """Models that stay open from one call to the next, by what opens them."""

    def __init__(self) -> None:
        self._opened: dict[str, tuple[ModelSource, OpenedModel]] = {}

    def open(self, source: ModelSource) -> OpenedModel:
        """The model of an equal source, where there is one. Raises as the source does."""
        key = repr(source)
        before = self._opened.get(key)
        # unequal where the same words mean another class by now, such as of a file that has changed
        if before is None or before[0] != source:
            before = self._opened[key] = (source, source.open())
        return before[1]


@dataclass(frozen=True)
class Objects:
    """What a call was handed beside its config. It is pickled for workers that are processes of their own.

    data    a dataset, see :class:`xaikit.bench.datasets.Samples`, or a loader of one
    models  that are open from earlier calls, and stay so; None where each call opens its own
    """

    model: nn.Module | None = None
    data: Any = None
    models: OpenModels | None = None

    def __post_init__(self) -> None:
        if self.model is not None and not isinstance(self.model, nn.Module):
            raise ConfigError(f"model: expected a torch.nn.Module, got {type(self.model).__name__}")

    def overrides(self) -> list[str]:
        """What a config has to say for them."""
        stated = [] if self.model is None else ["model.source=object", f"model.name={type(self.model).__name__}"]
        if self.data is not None:
            stated += ["data.source=object", f"data.name={type(self.dataset).__name__}"]
        if isinstance(self.data, DataLoader) and self.data.batch_size:
            stated.append(f"data.batch_size={self.data.batch_size}")
        return stated

    @property
    def dataset(self) -> Any:
        """What a loader loads, in its own order; batches are made anew. Raises ConfigError where they are made its own way."""
        if not isinstance(self.data, DataLoader):
            return self.data
        if self.data.collate_fn is not default_collate:
            raise ConfigError(
                "data: expected a DataLoader without a collate_fn, as batches are made anew; give a dataset whose items are what "
                "the model takes"
            )
        chosen = getattr(self.data.sampler, "indices", None)
        return self.data.dataset if chosen is None else Subset(self.data.dataset, list(chosen))

    def opened(self, source: ModelSource) -> OpenedModel:
        """What the source opens; the module, where that is what the source means. Raises ConfigError."""
        if self.model is None or not isinstance(source, ObjectModel):
            return source.open() if self.models is None else self.models.open(source)
        return OpenedModel(self.model, origin="handed to xaikit.run")

    def photographs(self, source: DataSource) -> Sequence[Photograph]:
        """What the source finds; the samples, where those are what the source means. Raises DataError."""
        if self.data is None or not isinstance(source, ObjectData):
            return source.photographs()
        return Samples(self.dataset).photographs()


def device_of(model: nn.Module) -> torch.device:
    """Of a module's first parameter or buffer; the CPU where it has none."""
    tensors = [*model.parameters(), *model.buffers()]
    return tensors[0].device if tensors else torch.device("cpu")


@hookimpl
def xaikit_model() -> type:
    return ObjectModel
