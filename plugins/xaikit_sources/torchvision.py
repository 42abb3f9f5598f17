"""The classifiers, detectors and segmenters of torchvision, with the transforms and class names of their weights."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, get_type_hints

import torch
from torch import nn
from torchvision import models
from torchvision.models import WeightsEnum
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.transforms._presets import SemanticSegmentation

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

_DENSE = (models.detection, models.segmentation)
_INCEPTIONS = ("googlenet", "inception_v3")


@dataclass(frozen=True)
class TorchvisionModel:
    """A classifier, a detector (target ``box``) or a segmenter (target ``region``, ``output: out``) in evaluation mode.

    Detectors and segmenters take any picture: here it is scaled to the side that a detector works at (800 pixels as a rule, of
    SSD 300 or 320), or that a segmenter was tried at (520), and padded with black to a square, so that pictures of any aspect
    make one batch and maps lie where they belong. ``data.transform`` says other sides: ``{crop: [480, 640]}``. Of detectors the
    sides should be multiples of 32: they pad what is not.

    name     as in ``torchvision.models.list_models()``
    weights  DEFAULT, another name such as IMAGENET1K_V2 (both from torch's cache, else downloaded), a state-dict file
             (.pth, .pt, .safetensors) or ``{file, key, prefix}``, or null for random weights
    seed     of the random weights
    kwargs   further arguments of the model's constructor, such as ``{image_size: 384}``, or ``{num_classes: 3}`` of a detector
             or segmenter of one's own, whose classes then are ``model.classes``
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
        self._check_kwargs()
        if is_none(self.weights):
            return self._opened(self._build(None, self._quiet()), recipes["DEFAULT"], f"random, seed {self.seed}")
        if is_file(self.weights):
            return self._from_file(recipes)
        return self._published(self._recipe(str(self.weights), recipes))

    @property
    def _where(self) -> str:
        return f"model torchvision {self.name!r}"

    def _recipes(self) -> dict[str, WeightsEnum]:
        names = [name for home in (models, *_DENSE) for name in models.list_models(module=home)]
        if self.name not in names:
            raise ConfigError(
                f"model torchvision: there is no classifier, detector or segmenter {self.name!r}; {nearest(self.name, names)}"
            )
        # the few without categories have no classifier: it is filled with NaN
        members = models.get_model_weights(self.name).__members__
        return {name: recipe for name, recipe in members.items() if recipe.meta["categories"]}

    def _check_kwargs(self) -> None:
        """Detectors and segmenters drop what they do not know without a word; classifiers refuse it themselves."""
        if not self._is_dense:
            return
        builder = inspect.unwrap(models.get_model_builder(self.name))
        made = get_type_hints(builder)["return"]
        # what a detector does not know itself, it gives to its transform
        passed_to = (made, GeneralizedRCNNTransform) if self.name in models.list_models(module=models.detection) else ()
        parameters = [each for one in (builder, *passed_to) for each in inspect.signature(one).parameters.values()]
        known = [each.name for each in parameters if each.kind is not each.VAR_KEYWORD]
        unknown = next((name for name in self.kwargs if name not in known), None)
        if unknown is not None:
            raise ConfigError(
                f"{self._where}: kwargs: expected arguments of {made.__name__}, got {unknown!r}; {nearest(unknown, known)}"
            )

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
        """What a model without published weights is built with: a detector's backbone has none either, and without a choice two
        classifiers warn that their initialization will change one day."""
        if self._is_dense:
            return {"weights_backbone": None}
        return {"init_weights": True} if self.name in _INCEPTIONS else {}

    @property
    def _is_dense(self) -> bool:
        return any(self.name in models.list_models(module=home) for home in _DENSE)

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
        return self._opened(self._build(recipe, {}), recipe, f"torchvision {type(recipe).__name__}.{recipe.name}")

    def _from_file(self, recipes: dict[str, WeightsEnum]) -> OpenedModel:
        file = file_of(self.weights, self._where)
        published = next((one for one in recipes.values() if Path(one.url).name == Path(file).name), None)
        kwargs = self._quiet()
        if published and self.name in _INCEPTIONS:  # these weights were trained elsewhere, on another scale
            kwargs["transform_input"] = True
        module = self._build(None, kwargs)
        state = _renamed(fitted(module, read_state(self.weights, self._where)))
        outputs = None if self._is_dense else state.get(_last(module))
        if outputs is not None and len(outputs) != _outputs(module):
            module = self._build(None, {**kwargs, "num_classes": len(outputs)})
        elif self._is_dense and any(name.startswith("aux_classifier.") for name in state):
            module = self._build(None, {**kwargs, "aux_loss": True})
        load_state(module, state, f"{self._where}: {file}")
        return self._opened(module, published or recipes["DEFAULT"], file)

    def _opened(self, module: nn.Module, recipe: WeightsEnum, origin: str) -> OpenedModel:
        classes, transform = tuple(recipe.meta["categories"]), _transform_for(module, recipe.transforms())
        count = self.kwargs.get("num_classes", len(classes)) if self._is_dense else _outputs(module)
        if count == len(classes):
            return OpenedModel(module.eval(), transform, classes, wnids_of(classes), origin)
        # a detector normalizes its pictures by itself, whatever its classes are
        known = transform if isinstance(_own_transform(module), GeneralizedRCNNTransform) else None
        return OpenedModel(module.eval(), known, origin=origin, usual=transform)


def _own_transform(module: nn.Module) -> Any:
    return getattr(module, "transform", None)


def _transform_for(module: nn.Module, preset: Any) -> Transform:
    own = _own_transform(module)
    if isinstance(own, GeneralizedRCNNTransform):
        sides = tuple(own.fixed_size[::-1]) if own.fixed_size else (own.min_size[-1],) * 2
        return Transform(sides if own.fixed_size else "fit", sides, (0.0,) * 3, (1.0,) * 3)
    if isinstance(preset, SemanticSegmentation):
        (side,) = preset.resize_size
        return Transform("fit", (side, side), tuple(preset.mean), tuple(preset.std), preset.interpolation.value)
    return _transform(preset)


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
