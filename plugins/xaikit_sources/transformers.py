"""Vision models of transformers: classifiers, segmenters, and CLIP or SigLIP with prompts as classes."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor, nn

from xaikit import ConfigError, Located, hookimpl, nearest
from xaikit.sources import OpenedModel
from xaikit.sources.imagenet import CLASSES, WNIDS
from xaikit_sources._image_text import ImageText, differs
from xaikit_sources._paths import missing
from xaikit_sources._processors import transform_of
from xaikit_sources._weights import StatedWeights, build, check_fit, file_of, is_none, read_state

PUBLISHED = "DEFAULT"
_SMALL = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}


@dataclass(frozen=True)
class TransformersModel:
    """A model in evaluation mode and float32. Its modules keep their names; those of CLIP lie behind ``model.``.

    name          a folder as ``save_pretrained`` writes it (config.json, model.safetensors, preprocessor_config.json),
                  or ``owner/name`` on the Hugging Face hub (from its cache, else downloaded); with ``weights: null``
                  also a type of model (``vit``, ``resnet``, ``clip``)
    weights       DEFAULT, those beside the config; a state-dict file (.pth, .pt, .safetensors) or
                  ``{file, key, prefix}``; null for random ones
    text          prompts for CLIP, SigLIP and the like: ``["a photo of a cat", "a photo of a dog"]`` are its classes, its
                  output the logit of each; or lists of token ids, all of one length. Without it the output is the
                  embedding of the picture
    architecture  the class of transformers, such as ``ViTForImageClassification``; by itself the one that config.json
                  names
    revision      a branch, tag or commit on the hub
    seed          of the random weights
    kwargs        changes to the config, such as ``{image_size: 384}``
    """

    name: Annotated[str, Located(lambda name, base: name.startswith(".") or (base / name).is_dir())]
    weights: StatedWeights = PUBLISHED
    text: list[str] | list[list[int]] | None = None
    architecture: str | None = None
    revision: str | None = None
    seed: int = 0
    kwargs: dict[str, Any] = field(default_factory=dict)

    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"name": "resnet", "weights": None, "kwargs": {"hidden_sizes": [8, 8], "depths": [1, 1], "embedding_size": 8}},
        {
            "name": "clip",
            "weights": None,
            "text": [[1, 2], [1, 3]],
            "kwargs": {"text_config": _SMALL, "vision_config": _SMALL},
        },
    )

    def __post_init__(self) -> None:
        if self.text is not None and (isinstance(self.text, str) or not self.text):
            raise ValueError(f"text: expected a list of prompts, got {self.text!r}")
        if self.text and len({len(one) if isinstance(one, list) else "text" for one in self.text}) > 1:
            raise ValueError("text: expected prompts, or lists of token ids that are all of one length, got a mixture")

    def open(self) -> OpenedModel:
        """The model.

        Raises:
            ConfigError: transformers is not installed, a name, file or class that does not exist, weights that cannot
                be had or do not fit, prompts for a model that takes none.
        """
        hf = _transformers()
        with _quiet(hf):
            config = self._config(hf)
            module, origin = self._module(_class(hf, config, self.architecture, self._where), config)
            module = module.float().eval()
            if hasattr(module, "get_image_features") and hasattr(module, "get_text_features"):
                module, classes = self._joint(hf, module)
            elif self.text:
                raise ConfigError(f"{self._where}: text: expected a model of pictures and texts, got {_named(module)}")
            else:
                classes = _classes(module)
            transform = transform_of(self._beside(hf, hf.AutoImageProcessor))
        return OpenedModel(module, transform, classes, _wnids(classes), origin)

    @property
    def _where(self) -> str:
        return f"model transformers {self.name!r}"

    @property
    def _folder(self) -> bool:
        return Path(self.name).expanduser().is_dir()

    def _load(self, load: Callable[..., Any], **options: Any) -> Any:
        """What ``from_pretrained`` finds for the name; code that lies on the hub is never run."""
        place = str(Path(self.name).expanduser()) if self._folder else self.name
        return load(place, revision=self.revision, trust_remote_code=False, **options)

    def _is_type(self, hf: ModuleType) -> bool:
        """Whether the name is one of a type: nothing lies beside such a config."""
        return not self._folder and is_none(self.weights) and self.name in hf.CONFIG_MAPPING

    def _beside(self, hf: ModuleType, auto: Any) -> Any:
        """The image processor or tokenizer beside the config; None where there is none."""
        if self._is_type(hf):
            return None
        try:
            return self._load(auto.from_pretrained)
        except Exception:  # many ways not to be there, none of which keeps the model from working
            return None

    def _built(self, make: Callable[[], Any]) -> Any:
        """What ``make`` reads for the name. Raises ConfigError that says what to do where it cannot be had."""
        try:
            return build(self._where, self.seed, make)
        except ConfigError as error:
            if self._folder or not isinstance(error.__cause__, OSError):  # the hub's and the network's errors all are
                raise
            hint = (
                f"where there is a network, 'hf download {self.name} --local-dir FOLDER' fetches it; "
                "then write name: ./FOLDER"
            )
            raise ConfigError(f"{error}; {hint}") from error.__cause__

    def _config(self, hf: ModuleType) -> Any:
        if not self._folder and (self.name.startswith((".", "/", "~")) or self.name.count("/") > 1):
            raise ConfigError(f"{self._where}: {missing(self.name)}")
        if self._is_type(hf):
            self._check_kwargs(hf.AutoConfig.for_model(self.name))
            return build(self._where, self.seed, partial(hf.AutoConfig.for_model, self.name, **self.kwargs))
        config = self._built(partial(self._load, hf.AutoConfig.from_pretrained))
        self._check_kwargs(config)
        return self._built(partial(self._load, hf.AutoConfig.from_pretrained, **self.kwargs)) if self.kwargs else config

    def _check_kwargs(self, config: Any) -> None:
        for key in self.kwargs:
            if not hasattr(config, key):
                raise ConfigError(f"{self._where}: kwargs: no setting {key!r}; {nearest(key, config.to_dict())}")

    def _module(self, cls: Any, config: Any) -> tuple[nn.Module, str]:
        if is_none(self.weights):
            return build(self._where, self.seed, partial(cls._from_config, config)), f"random, seed {self.seed}"
        if self.weights != PUBLISHED:
            return self._from_file(cls, config), file_of(self.weights, self._where)
        load = partial(self._load, cls.from_pretrained, config=config, **_REPORTING)
        module, report = self._built(load)
        check_fit(module, self._where, _shapes(report), sorted(report["missing_keys"]))
        commit = getattr(config, "_commit_hash", None)
        return module, f"transformers {self.name}" + (f" at {commit}" if commit else "")

    def _from_file(self, cls: Any, config: Any) -> nn.Module:
        state, file = read_state(self.weights, self._where), file_of(self.weights, self._where)

        def load(config: Any) -> Any:  # it knows how the names of older files go
            make = partial(cls.from_pretrained, None, config=config, state_dict=dict(state), **_REPORTING)
            return build(self._where, self.seed, make)

        module, report = load(config)
        outputs = {got[0] for _, got, wanted in report["mismatched_keys"] if (*wanted,)[:1] == (config.num_labels,)}
        if len(outputs) == 1:  # a head of another number of classes
            config = copy.deepcopy(config)
            config.num_labels = outputs.pop()
            module, report = load(config)
        unknown = sorted(report["unexpected_keys"])
        check_fit(module, f"{self._where}: {file}", _shapes(report), sorted(report["missing_keys"]), unknown)
        return module  # type: ignore[no-any-return]

    def _joint(self, hf: ModuleType, model: Any) -> tuple[nn.Module, tuple[str, ...] | None]:
        if self.text is None:
            return ImageText(model, None).eval(), None
        tokens = self._tokens(hf, model)
        joint = build(self._where, self.seed, partial(ImageText, model, tokens)).eval()
        side = model.config.vision_config.image_size
        if build(self._where, self.seed, lambda: differs(joint, tokens, torch.randn(1, 3, side, side))):
            raise ConfigError(
                f"{self._where}: text: expected logits that are cosines, as CLIP's, not {_named(model)}'s"
            )
        return joint, tuple(map(str, self.text)) if isinstance(self.text[0], str) else None

    def _tokens(self, hf: ModuleType, model: Any) -> Mapping[str, Tensor]:
        assert self.text
        if not isinstance(self.text[0], str):
            return {"input_ids": torch.tensor(self.text)}
        tokenizer = self._beside(hf, hf.AutoTokenizer)
        # where its files are missing, transformers makes an empty one of the config alone
        if tokenizer is None or set(tokenizer.get_vocab()) <= set(tokenizer.all_special_tokens):
            raise ConfigError(f"{self._where}: text: there is no tokenizer beside the config; write lists of token ids")
        # SigLIP was trained on texts filled up to their greatest length, CLIP looks at the end of each
        full = {"padding": "max_length", "max_length": model.config.text_config.max_position_embeddings}
        padding = full if hasattr(model, "logit_bias") else {"padding": True}
        tokens: Mapping[str, Tensor] = tokenizer(self.text, return_tensors="pt", **padding)
        return dict(tokens)


_REPORTING = {"output_loading_info": True, "ignore_mismatched_sizes": True}


def _shapes(report: Mapping[str, Any]) -> list[str]:
    return [
        f"{name}: expected {tuple(wanted)}, got {tuple(got)}" for name, got, wanted in sorted(report["mismatched_keys"])
    ]


def _transformers() -> ModuleType:
    try:
        import transformers
    except ImportError as error:
        raise ConfigError("model transformers: needs transformers; install it by: pip install 'xaikit[hf]'") from error
    return transformers


@contextmanager
def _quiet(hf: ModuleType) -> Iterator[None]:
    """No progress bars and notices while a model is opened: what matters in them is raised here."""
    logging = hf.utils.logging
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def _class(hf: ModuleType, config: Any, architecture: str | None, where: str) -> Any:
    """The class that was said, that the config names, or the first that its type has."""
    names = [architecture] if architecture else config.architectures
    if not names:
        return _first(hf, config, where)
    cls = getattr(hf, names[0], None)
    if not (isinstance(cls, type) and issubclass(cls, hf.PreTrainedModel)):
        offered = [name for name in dir(hf) if "For" in name or name.endswith("Model")]
        raise ConfigError(f"{where}: transformers has no model {names[0]!r}; {nearest(names[0], offered)}")
    return cls


def _first(hf: ModuleType, config: Any, where: str) -> Any:
    kinds = ("ZERO_SHOT_IMAGE_CLASSIFICATION", "IMAGE_CLASSIFICATION", "SEMANTIC_SEGMENTATION")
    for mapping in [*(f"MODEL_FOR_{kind}_MAPPING" for kind in kinds), "MODEL_MAPPING"]:
        classes = getattr(hf, mapping).get(type(config), None)
        if classes:
            return classes[0] if isinstance(classes, tuple) else classes
    raise ConfigError(f"{where}: no class is known for a {config.model_type!r}; write architecture: ...")


def _named(module: nn.Module) -> str:
    return type(module).__name__


def _classes(module: Any) -> tuple[str, ...] | None:
    """The labels of the config, where the output has one channel each and they are more than LABEL_0, LABEL_1."""
    labels = module.config.id2label or {}
    per_label = any(task in _named(module) for task in ("ForImageClassification", "ForSemanticSegmentation"))
    if not per_label or sorted(labels) != list(range(module.config.num_labels)):
        return None
    if all(name == f"LABEL_{index}" for index, name in labels.items()):
        return None
    return tuple(labels[index] for index in range(len(labels)))


def _wnids(classes: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """ImageNet's ids: its labels are listed with all their synonyms here ("tench, Tinca tinca"), and not always all."""
    if classes is None or len(classes) != len(CLASSES):
        return None
    same = [name.lower() in label.lower() for name, label in zip(CLASSES, classes, strict=True)]
    return WNIDS if sum(same) >= 0.9 * len(same) else None


@hookimpl
def xaikit_model() -> type:
    return TransformersModel
