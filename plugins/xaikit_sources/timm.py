"""The models of timm, with the transforms of their pretrained weights."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial
from types import ModuleType
from typing import Any, get_args

from torch import nn

from xaikit import ConfigError, hookimpl, nearest
from xaikit.sources import Interpolation, OpenedModel, Transform
from xaikit.sources.imagenet import CLASSES, wnids_of
from xaikit_sources._weights import StatedWeights, build, file_of, fitted, is_none, load_state, read_state


@dataclass(frozen=True)
class TimmModel:
    """A model in evaluation mode.

    name        as in ``timm.list_models()``, with or without the tag of its weights (``resnet50.a1_in1k``), or
                ``hf-hub:owner/name``
    pretrained  its published weights, from the Hugging Face cache, else downloaded; false for random ones
    weights     a state-dict file (.pth, .pt, .safetensors) instead, or ``{file, key, prefix}``
    seed        of the random weights
    kwargs      further arguments of ``timm.create_model``
    """

    name: str
    pretrained: bool = True
    weights: StatedWeights = None
    seed: int = 0
    kwargs: dict[str, Any] = field(default_factory=dict)

    def open(self) -> OpenedModel:
        """The model.

        Raises:
            ConfigError: timm is not installed, an unknown name, weights that cannot be had or do not fit.
        """
        timm = _timm()
        _check_name(timm, self.name)
        module, origin = self._published(timm) if is_none(self.weights) else self._from_file(timm)
        classes = _classes(module)
        transform = _transform(timm.data.resolve_model_data_config(module))
        return OpenedModel(module.eval(), transform, classes, wnids_of(classes), origin)

    @property
    def _where(self) -> str:
        return f"model timm {self.name!r}"

    def _create(self, timm: ModuleType, **kwargs: Any) -> nn.Module:
        make = partial(timm.create_model, self.name, **{**kwargs, **self.kwargs})
        module: nn.Module = build(self._where, self.seed, make)
        return module

    def _published(self, timm: ModuleType) -> tuple[nn.Module, str]:
        if not self.pretrained:
            return self._create(timm), f"random, seed {self.seed}"
        try:
            module = self._create(timm, pretrained=True)
        except ConfigError as error:
            if not isinstance(error.__cause__, OSError):  # the network's errors all are
                raise
            hint = "its pretrained weights cannot be had; give a state-dict file: weights: path/to/model.safetensors"
            raise ConfigError(f"{error}; {hint}") from error.__cause__
        return module, f"timm {_cfg(module).get('hf_hub_id') or self.name}"

    def _from_file(self, timm: ModuleType) -> tuple[nn.Module, str]:
        module, file = self._create(timm), file_of(self.weights, self._where)
        state = fitted(module, read_state(self.weights, self._where))
        head = state.get(f"{_cfg(module).get('classifier')}.weight")
        if head is not None and len(head) != module.num_classes:
            module = self._create(timm, num_classes=len(head))
        load_state(module, state, f"{self._where}: {file}")
        return module, file


def _timm() -> ModuleType:
    try:
        import timm
        import timm.data
    except ImportError as error:
        raise ConfigError("model timm: needs timm; install it by: pip install 'xaikit[timm]'") from error
    return timm


def _check_name(timm: ModuleType, name: str) -> None:
    if ":" in name:  # hf-hub:owner/name and local-dir:path are looked up elsewhere
        return
    architecture, _, tag = name.partition(".")
    names = timm.list_models()
    if architecture not in names:
        raise ConfigError(f"model timm: there is no model {architecture!r}; {nearest(architecture, names)}")
    tagged = timm.list_models(f"{architecture}.*", pretrained=True)
    if tag and name not in tagged:
        raise ConfigError(f"model timm: {architecture!r} has no weights {tag!r}; {nearest(name, tagged)}")


def _cfg(module: nn.Module) -> dict[str, Any]:
    return getattr(module, "pretrained_cfg", {})


def _classes(module: nn.Module) -> tuple[str, ...] | None:
    named = _cfg(module).get("label_names")
    if named and len(named) == module.num_classes:
        return tuple(named)
    return CLASSES if module.num_classes == len(CLASSES) else None


def _transform(data: dict[str, Any]) -> Transform | None:
    """None where timm prepares pictures in a way that a :class:`Transform` cannot say."""
    channels, height, width = data["input_size"]
    centred = data["crop_mode"] == "center" and height == width
    expressible = (centred or data["crop_mode"] == "squash") and data["interpolation"] in get_args(Interpolation)
    if channels != len(data["mean"]) or not expressible:
        return None
    tall, wide = (math.floor(side / data["crop_pct"]) for side in (height, width))
    return Transform(
        tall if centred else (tall, wide), (height, width), data["mean"], data["std"], data["interpolation"]
    )


@hookimpl
def xaikit_model() -> type:
    return TimmModel
