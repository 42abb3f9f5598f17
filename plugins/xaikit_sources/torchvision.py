"""Models of torchvision, with their weights' own transforms and class names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torchvision import models
from xaikit import ConfigError, hookimpl, nearest
from xaikit.sources import OpenedModel, Transform

from xaikit_sources import _imagenet, _weights


@dataclass(frozen=True)
class Torchvision:
    """A model of torchvision.

    name     such as resnet50
    weights  DEFAULT, the name of an enum member (IMAGENET1K_V2), a local .pth or .safetensors file, or none for random ones
    seed     of random weights
    """

    name: str
    weights: str | None = "DEFAULT"
    seed: int = 0

    def open(self) -> OpenedModel:
        """Build it. Raises ConfigError for an unknown name, or weights that cannot be had."""
        known = models.list_models()
        if self.name not in known:
            raise ConfigError(f"model.name: no torchvision model {self.name!r}; {nearest(self.name, known)}")
        default = _default(self.name)
        if self.weights is None or self.weights == "none":
            return _opened(self._random(), default, f"random weights, seed {self.seed}")
        if _weights.is_file(self.weights):
            module = self._random()
            return _opened(module, default, _weights.load(module, self.weights))
        member = self._member()
        return _opened(self._downloaded(member), member, f"torchvision {member}")

    def _random(self) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            module: nn.Module = models.get_model(self.name, weights=None)
        return module

    def _member(self) -> Any:
        enum = models.get_model_weights(self.name)
        members = {"DEFAULT": enum.DEFAULT, **enum.__members__}
        if self.weights not in members:
            raise ConfigError(
                f"model.weights: {self.name} has no weights {self.weights!r}; {nearest(str(self.weights), members)}"
            )
        return members[self.weights]

    def _downloaded(self, member: Any) -> nn.Module:
        try:
            module: nn.Module = models.get_model(self.name, weights=member)
        except OSError as error:
            raise ConfigError(
                f"model.weights: {member} could not be downloaded from {member.url} ({error}); "
                "give a local file instead: weights: path/to/weights.pth"
            ) from error
        return module


def _default(name: str) -> Any:
    """The weights that torchvision would take: what random ones and a file's are prepared and named like."""
    try:
        return models.get_model_weights(name).DEFAULT
    except (ValueError, AttributeError):
        return None


def _opened(module: nn.Module, member: Any, origin: str) -> OpenedModel:
    classes = tuple(member.meta["categories"]) if member is not None and "categories" in member.meta else None
    imagenet = classes == _imagenet.names()
    transform = None if member is None else _transform(member.transforms)
    return OpenedModel(module, transform, classes, _imagenet.wnids() if imagenet else None, origin)


def _transform(preset: Callable[[], Any]) -> Transform | None:
    """Torchvision's classification preset as ours; None for what is prepared in another way."""
    made = preset()
    if not all(hasattr(made, name) for name in ("resize_size", "crop_size", "mean", "std", "interpolation")):
        return None
    if not made.resize_size:
        return None
    return Transform(
        size=made.resize_size[0],
        crop=made.crop_size[0],
        mean=tuple(made.mean),
        std=tuple(made.std),
        interpolation=made.interpolation.value,
    )


@hookimpl
def xaikit_model() -> type:
    return Torchvision
