"""Models of timm, with the transform of their data config."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from xaikit import ConfigError, hookimpl, nearest
from xaikit.sources import OpenedModel, Transform

from xaikit_sources import _imagenet, _weights


@dataclass(frozen=True)
class Timm:
    """A model of timm (``pip install 'xaikit[timm]'``).

    name     such as vit_small_patch16_224
    weights  pretrained (downloaded, or from the hub's cache), a local file, or none for random ones
    seed     of random weights
    """

    name: str
    weights: str | None = "pretrained"
    seed: int = 0

    def open(self) -> OpenedModel:
        """Build it. Raises ConfigError without timm, for an unknown name, or weights that cannot be had."""
        timm = _timm()
        if not timm.is_model(self.name.split(".")[0]):
            known = timm.list_models()
            raise ConfigError(f"model.name: no timm model {self.name!r}; {nearest(self.name, known)}")
        module, origin = self._module(timm)
        data = timm.data.resolve_model_data_config(module)
        imagenet = getattr(module, "num_classes", 0) == 1000
        return OpenedModel(
            module,
            _transform(data),
            _imagenet.names() if imagenet else None,
            _imagenet.wnids() if imagenet else None,
            origin,
        )

    def _module(self, timm: Any) -> tuple[nn.Module, str]:
        if self.weights == "pretrained":
            return self._pretrained(timm), f"timm {self.name}"
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            module: nn.Module = timm.create_model(self.name, pretrained=False)
        if self.weights is None or self.weights == "none":
            return module, f"random weights, seed {self.seed}"
        if not _weights.is_file(self.weights):
            raise ConfigError(f"model.weights: expected pretrained, none or a file, got {self.weights!r}")
        return module, _weights.load(module, self.weights)

    def _pretrained(self, timm: Any) -> nn.Module:
        try:
            module: nn.Module = timm.create_model(self.name, pretrained=True)
        except Exception as error:  # the hub's client, its transport and its cache each have errors of their own
            raise ConfigError(
                f"model.weights: the weights of {self.name} could not be had ({type(error).__name__}: {error}); "
                "give a local file instead: weights: path/to/weights.safetensors"
            ) from error
        return module


def _timm() -> Any:
    try:
        import timm
        import timm.data
    except ImportError as error:
        raise ConfigError("model.source: timm is not installed: pip install 'xaikit[timm]'") from error
    return timm


def _transform(data: dict[str, Any]) -> Transform:
    _, height, width = data["input_size"]
    share = data.get("crop_pct") or 0.875
    interpolation = data.get("interpolation", "bicubic")
    return Transform(
        size=math.floor(min(height, width) / share),
        crop=(height, width),
        mean=tuple(data["mean"]),
        std=tuple(data["std"]),
        interpolation=interpolation if interpolation in ("bilinear", "bicubic", "nearest") else "bicubic",
    )


@hookimpl
def xaikit_model() -> type:
    return Timm
