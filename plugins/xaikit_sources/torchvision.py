"""The classifiers of torchvision, with the transforms and class names of their weights."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torchvision import models
from torchvision.models import WeightsEnum

from xaikit import ConfigError, hookimpl, nearest
from xaikit.sources import OpenedModel, Transform
from xaikit.sources.imagenet import wnids_of
from xaikit_sources._weights import (
    State,
    StatedWeights,
    build,
    file_of,
    fitted,
    is_file,
    is_none,
    load_state,
    read_state,
)

_INCEPTIONS = ("googlenet", "inception_v3")


@dataclass(frozen=True)
class TorchvisionModel:
    """A classifier in evaluation mode.

    name     as in ``torchvision.models.list_models()``
    weights  DEFAULT, another name such as IMAGENET1K_V2 (both from torch's cache, else downloaded), a state-dict file
             (.pth, .pt, .safetensors) or ``{file, key, prefix}``, or null for random weights
    seed     of the random weights
    kwargs   further arguments of the model's constructor, such as ``{image_size: 384}``
    """

    name: str
    weights: StatedWeights = "DEFAULT"
    seed: int = 0
    kwargs: dict[str, Any] = field(default_factory=dict)

    def open(self) -> OpenedModel:
        """The model. Weights from a file, or random ones, get the transform and class names of DEFAULT, or of the
        weights that torchvision publishes under that file name, where the number of outputs is theirs.

        Raises:
            ConfigError: an unknown name, weights that cannot be had or do not fit, or a wrong argument.
        """
        recipes = self._recipes()
        if is_none(self.weights):
            return _opened(self._build(None, self._quiet()), recipes["DEFAULT"], f"random, seed {self.seed}")
        if is_file(self.weights):
            return self._from_file(recipes)
        return self._published(self._recipe(str(self.weights), recipes))

    @property
    def _where(self) -> str:
        return f"model torchvision {self.name!r}"

    def _recipes(self) -> dict[str, WeightsEnum]:
        names = models.list_models(module=models)
        if self.name not in names:
            raise ConfigError(f"model torchvision: there is no classifier {self.name!r}; {nearest(self.name, names)}")
        # the few without categories have no classifier: it is filled with NaN
        members = models.get_model_weights(self.name).__members__
        return {name: recipe for name, recipe in members.items() if recipe.meta["categories"]}

    def _recipe(self, name: str, recipes: dict[str, WeightsEnum]) -> WeightsEnum:
        short = name.rpartition(".")[2]
        if short not in recipes:
            raise ConfigError(f"{self._where}: there are no weights {name!r}; {nearest(short, recipes)}")
        return recipes[short]

    def _build(self, recipe: WeightsEnum | None, kwargs: dict[str, Any]) -> nn.Module:
        make = partial(models.get_model, self.name, **{"weights": recipe, "progress": False, **kwargs, **self.kwargs})
        module: nn.Module = build(self._where, self.seed, make)
        return module

    def _quiet(self) -> dict[str, Any]:
        """Without a choice, these two warn that their initialization will change one day."""
        return {"init_weights": True} if self.name in _INCEPTIONS else {}

    def _published(self, recipe: WeightsEnum) -> OpenedModel:
        file = Path(torch.hub.get_dir()) / "checkpoints" / Path(recipe.url).name
        try:
            # the builder loads the file again, but without weights_only: nothing that fails here gets there
            recipe.get_state_dict(progress=False, check_hash=True, weights_only=True)
        except Exception as error:  # of the network, the disk or the unpickler
            raise ConfigError(
                f"{self._where}: weights {recipe.name} cannot be had: tried {file}, then {recipe.url}: {error}; "
                f"fetch that address elsewhere and put the file there, or name it: weights: path/to/{file.name}"
            ) from error
        return _opened(self._build(recipe, {}), recipe, f"torchvision {type(recipe).__name__}.{recipe.name}")

    def _from_file(self, recipes: dict[str, WeightsEnum]) -> OpenedModel:
        file = file_of(self.weights, self._where)
        published = next((one for one in recipes.values() if Path(one.url).name == Path(file).name), None)
        kwargs = self._quiet()
        if published and self.name in _INCEPTIONS:  # these weights were trained elsewhere, on another scale
            kwargs["transform_input"] = True
        module = self._build(None, kwargs)
        state = _renamed(fitted(module, read_state(self.weights, self._where)))
        outputs = state.get(_last(module))
        if outputs is not None and len(outputs) != _outputs(module):
            module = self._build(None, {**kwargs, "num_classes": len(outputs)})
        load_state(module, state, f"{self._where}: {file}")
        return _opened(module, published or recipes["DEFAULT"], file)


def _opened(module: nn.Module, recipe: WeightsEnum, origin: str) -> OpenedModel:
    classes = tuple(recipe.meta["categories"])
    if _outputs(module) != len(classes):
        return OpenedModel(module.eval(), origin=origin, usual=_transform(recipe.transforms()))
    return OpenedModel(module.eval(), _transform(recipe.transforms()), classes, wnids_of(classes), origin)


def _transform(preset: Any) -> Transform:
    return Transform(
        preset.resize_size[0],
        preset.crop_size[0],
        tuple(preset.mean),
        tuple(preset.std),
        preset.interpolation.value,
    )


def _last(module: nn.Module) -> str:
    """The parameter that has one row an output: in every classifier here the head comes last."""
    return list(module.state_dict())[-1]


def _outputs(module: nn.Module) -> int:
    return len(module.state_dict()[_last(module)])


def _renamed(state: State) -> State:
    """Published DenseNet files have names from before 2018: ``denselayer1.norm.1.weight``."""
    pattern = re.compile(r"(denselayer\d+\.(?:norm|conv))\.(?=[12]\.)")
    return {pattern.sub(r"\1", name): value for name, value in state.items()}


@hookimpl
def xaikit_model() -> type:
    return TorchvisionModel
