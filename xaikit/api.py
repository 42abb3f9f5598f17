"""``xaikit.explain``: the engine on a model and a tensor, without any YAML."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, get_args

from torch import Tensor, nn

from xaikit import engine
from xaikit.config.arguments import read_aggregation, read_finish, read_layout, read_methods
from xaikit.engine.layers import LayerResolver
from xaikit.errors import ConfigError, LayerNotFound, XaikitError, is_count
from xaikit.evidence import forward
from xaikit.evidence.conditions import unwrapped
from xaikit.evidence.pinned import target_at
from xaikit.evidence.taps import AUTO, LayerSpec
from xaikit.explanation import Explanation
from xaikit.finish import build_finish
from xaikit.layouts import Arrangement
from xaikit.method import Method
from xaikit.notebook.inputs import explaining_misfits, ids_of, picture_by, read_inputs
from xaikit.notebook.methods import split_arrays, with_arrays
from xaikit.notebook.targets import indexed, labels_of, named_target, target_of
from xaikit.notebook.unequal import one_by_one
from xaikit.passes.nests import first_tensor
from xaikit.passes.samples import shared_by_name
from xaikit.pictures.window import ShownInputs
from xaikit.registry import Registry, check_class, paper_of
from xaikit.schema.class_files import read_classes
from xaikit.schema.classes import Classes
from xaikit.schema.keys import Use
from xaikit.schema.plugins import instantiate
from xaikit.schema.sections import Aggregation, FinishConfig, MethodConfig, Mode, Precision, Reduce
from xaikit.schema.shorthand import spelled
from xaikit.targets import Target
from xaikit.trials.trial import effective_finish

TargetSpec = str | int | Sequence[Any] | Mapping[str, Any] | Callable[[Any], Tensor] | Tensor | Target
LayerSpecs = LayerSpec | Mapping[str, str | int] | Sequence[LayerSpec | Mapping[str, str | int]]
MethodSpec = str | Sequence[str] | Mapping[str, Any]


DEFAULT_METHOD = "gradcam"

_KEYS = re.compile(r"\bmodel\.(output|layout|input_layout|classes)\b(:?)")
"""Of a config, that are arguments here."""


@contextmanager
def _in_words_of_arguments() -> Iterator[None]:
    try:
        yield
    except XaikitError as error:
        error.args = tuple(_KEYS.sub(lambda key: key[1] + (key[2] or "="), str(text)) for text in error.args)
        raise


@_in_words_of_arguments()
@one_by_one
def explain(
    model: nn.Module,
    inputs: Any,
    methods: MethodSpec = DEFAULT_METHOD,
    *,
    transform: str | Callable[[Any], Any] | Any = None,
    layers: LayerSpecs = AUTO,
    target: TargetSpec = "top1",
    labels: Sequence[int | str] | Tensor | None = None,
    classes: str | os.PathLike[str] | Iterable[str] | Mapping[int, str] | Mapping[str, int] | None = None,
    finish: Mapping[str, Any] | None = None,
    seed: int = 0,
    ids: Sequence[str] | None = None,
    output: str | int = forward.AUTO,
    mode: Mode = "eval",
    precision: Precision = "float32",
    augment: Mapping[str, Any] | None = None,
    reduce: Reduce = "sum",
    layout: str | Mapping[str, Any] | None = None,
    input_layout: str | Mapping[str, Any] | None = None,
    shared: str | int | Sequence[str | int] | None = None,
    differentiable: bool = False,
) -> dict[str, Explanation]:
    """Explain a batch by one or several methods, from one forward and one gradient call.

    The model is left as it was, whatever mode it is in and whether its weights are frozen.

    Args:
        inputs: a tensor or array (N, C, *S), a tuple of positional inputs, or any mapping of named ones, of which the first of
            floats with three axes or more is explained, as a picture behind a text; a layer is
            a map of the first of them that it depends on. Other orders of its axes are inferred
            from the model, or said as ``input_layout``. Arrays of floats become what the model's weights are. A sample alone
            becomes a batch of one, and with a ``transform`` it may be pictures: of Pillow, paths, pixels (H, W, channels) or
            (channels, H, W), a list of these. Pictures (C, *S) of unequal size in a list are explained one by one, as detectors
            look at them; results have NaN behind the smaller ones.
        methods: a name, a list of names, or a mapping from label to a name, to options such as
            ``{"use": "smoothgradcampp", "n": 8}``, or to an instance (``MyCam(k=3)``).
        transform: what makes the model's input of a picture: "imagenet", the weights of torchvision or their transforms, or a
            callable from one picture to a tensor (channels, H, W). Overlays are then drawn over the picture itself.
        layers: names, globs (``layer*``), modules, or "auto". Of a module that runs more than once,
            ``{"name": "conv", "call": "last"}`` or "conv@last"; "conv@2" is the second call.
            Where views or frames (N, V, ...) are folded into the batch, ``{"name": "conv", "fold": "views"}`` or "conv/views"
            has a map for each: (N, V, *S).
        target: "top1", a class index, one index a sample (a list of N), ``{"use": "top", "k": 5}``,
            ``{"use": "classes", "of": [1, 2]}``, an instance, or a callable from the output to (N,) or (N, T) scores. Of each
            sample: several indices, (N, T) or lists of any length, or booleans (N, classes); what one has fewer is NaN,
            with -1 in ``target.indices``. Or N callables, each from the output of its sample alone to a number.
            Options of each sample are arrays: ``{"use": "region", "of": 3, "mask": masks}``.
        labels: the class of every sample, for ``"label"`` and for targets with ``"of": "label"``. A method of the mapping may
            say a target of its own: ``{"use": "gradcam", "target": {"use": "contrast"}}``.
        classes: what the outputs are called: a list of names, a mapping from index to name (``model.config.id2label``) or from
            name to index, a text file with one a line, or "imagenet". Then a class goes by its name wherever it goes by its
            index: ``target="tench"``, ``target=["tench", "tabby cat"]``, one a sample.
        finish: choices for the stages of the finish, such as ``{"normalize": "minmax", "resize": "none"}``.
        seed: of every random draw.
        output: the part of the model's output that is explained: a key, attribute or index, or a way of these such as
            "heads.0"; by itself logits, or the only tensor that may be meant. A method of the mapping may say its own.
        mode: "eval" for evaluation mode in all modules; "as_is" for the mode that each is in, as for dropout or batch
            normalization that are left in training on purpose. What is drawn is what the model itself would draw next.
        precision: "bfloat16" or "float16" for autocast in passes that only score variants, as Score-CAM's.
        augment: variants of the inputs whose maps are averaged: ``{"flip": True, "scale": [0.9, 1, 1.1]}``; see
            :class:`xaikit.schema.sections.AugmentConfig`. A method of the mapping may say its own.
        reduce: "principal" for the first principal component of weighed channels in place of their sum.
        layout: how the tensors at the layers are arranged, where shapes alone do not tell:
            ``{"use": "tokens", "prefix": 5, "grid": [16, 16]}``.
        input_layout: which axes of the first input are what, where the model does not tell: "channels_last", or
            ``{"use": "axes", "order": "NTCHW"}``.
        shared: names or positions of inputs that are no sample's, such as the prompts that all images are compared with. By
            itself all that is as long as the batch has a row a sample, unless repeating samples shows that it has not.
        differentiable: keep the graph from the weights to the maps, so that a loss on a map trains the model (methods of one pass
            alone). Then all of the forward is recorded, in memory too, with whatever weights require a gradient; only a
            ``backward()`` of your own touches their ``.grad``, and the maps hold the graph as long as you hold them.
        ids: one string a sample, for which its random numbers are drawn; the row by default.

    Returns:
        One :class:`xaikit.Explanation` a label. Maps are (N, *S); (N, T, *S) for a plural target.

    Raises:
        ConfigError: an option, target or finish that does not exist or does not fit, all of them at once.
        LayerNotFound, TapError, Disconnected: a layer that cannot be explained, or inputs that the model does not take.
        UnknownPlugin, PluginConflict, PluginContract: a method that cannot be used.

    >>> import torch, xaikit
    >>> from torch.nn import Conv2d, Flatten, Linear, ReLU, Sequential
    >>> net = Sequential(Conv2d(3, 4, 3), ReLU(), Flatten(), Linear(144, 5))
    >>> maps = xaikit.explain(net, torch.rand(2, 3, 8, 8), ["gradcam", "layercam"], target=[0, 3])
    >>> maps["layercam"].map.shape
    torch.Size([2, 8, 8])
    """
    registry, model = Registry(), unwrapped(model)
    _check_words(precision, mode, seed)
    inputs, shown = read_inputs(inputs, transform, model, mode)
    inputs, of_none = shared_by_name(inputs, _names(shared))
    samples, picture = len(first_tensor(inputs)), picture_by(transform, model)
    names = Classes() if classes is None else Classes(*read_classes(classes))
    stated_labels = None if labels is None else labels_of(indexed("labels", labels, names), samples)
    general_target, indices = target_of(target, stated_labels, samples, registry, names)
    general_finish = FinishConfig(**read_finish(finish or {}, registry))
    arrangement, of_input = (_arrangement(one, registry) for one in (layout, input_layout))
    general, named = read_aggregation(augment, reduce), _methods(methods, registry, finish or {})
    batch = engine.Batch(inputs, ids_of(ids, samples), indices, of_input, of_none, picture, arrangement)
    resolver, listed = LayerResolver(model, batch, output, arrangement, mode), _listed(layers)
    with explaining_misfits(model, inputs, mode):
        requests = [
            engine.Request(
                label,
                config.use,
                method,
                resolver.taps(method, listed, general_target),
                target_at(
                    general_target if config.target is None else named_target(config.target, names, registry),
                    config.output,
                ),
                build_finish(
                    effective_finish(paper_of(type(method)), general_finish, config.finish, registry), registry
                ),
                seed,
                precision,
                _aggregation(config, general),
            )
            for label, (config, method) in named.items()
        ]
        may_stop = names.names is None
        trace, explanations = engine.explain(
            model, batch, requests, output=output, mode=mode, may_stop=may_stop, differentiable=differentiable
        )
    names.check_count(trace.output)
    shown = shown or ShownInputs(trace.input_layout.to_map(first_tensor(inputs)))
    return {label: replace(each, shown=shown, classes=names.names) for label, each in explanations.items()}


def _names(shared: str | int | Sequence[str | int] | None) -> Sequence[str | int] | None:
    return [shared] if isinstance(shared, (str, int)) else shared


def _check_words(precision: object, mode: object, seed: object) -> None:
    """Raises ConfigError where one of them is nothing that a config could say."""
    for name, words, word in (("precision", get_args(Precision), precision), ("mode", get_args(Mode), mode)):
        if word not in words:
            raise ConfigError(f"{name}: expected one of {', '.join(words)}, got {word!r}")
    if not is_count(seed, 0):
        raise ConfigError(f"seed: expected a whole number from 0 on, got {seed!r}")


def _aggregation(config: MethodConfig, general: Aggregation) -> Aggregation:
    return Aggregation(general.augment if config.augment is None else config.augment, config.reduce or general.reduce)


def _arrangement(layout: str | Mapping[str, Any] | None, registry: Registry) -> Arrangement | None:
    stated = read_layout(layout, registry)
    return None if stated is None else instantiate("layout", stated, registry)


def _methods(
    methods: MethodSpec, registry: Registry, finish: Mapping[str, Any]
) -> dict[str, tuple[MethodConfig, Method]]:
    """By label, what is stated for it alone, and the method itself."""
    if not isinstance(methods, (str, Iterable)):
        raise ConfigError(f"methods: expected a name, a list of names or a mapping by label, got {methods!r}")
    names = [methods] if isinstance(methods, str) else methods
    specs: dict[str, Any] = dict(methods) if isinstance(methods, Mapping) else dict.fromkeys(names)
    plain = {label: spec for label, spec in specs.items() if spec is None or isinstance(spec, (str, Mapping))}
    split = {label: split_arrays(spec) for label, spec in plain.items()}
    plain = {label: stated for label, (stated, _) in split.items()}
    configs = read_methods(plain, registry, finish=finish) if plain or not specs else {}
    named: dict[str, tuple[MethodConfig, Method]] = {}
    for label, spec in specs.items():
        if label in plain:
            config = configs[label]
            if config.layers is not None:
                raise ConfigError(f"methods: {label}: expected layers as an argument of explain, not of one method")
            method = instantiate("method", Use(config.use, config.options), registry)
            named[label] = config, with_arrays(method, split[label][1], label)
        else:
            check_class("method", type(spec), f"method {label!r}")
            named[label] = MethodConfig(type(spec).__name__), spec
    return named


def _listed(layers: LayerSpecs) -> list[LayerSpec]:
    if not isinstance(layers, (str, nn.Module, Sequence, Mapping)):
        raise LayerNotFound(f"layers: expected names, modules or 'auto', got {layers!r}")
    specs = [layers] if isinstance(layers, (str, nn.Module, Mapping)) else layers
    if not specs:
        raise LayerNotFound("layers: expected one at least, got none; 'auto' finds one")
    for spec in specs:
        if not isinstance(spec, (str, nn.Module, Mapping)):
            raise LayerNotFound(f"layers: expected names, modules or 'auto', got {spec!r} among them")
    return [spelled(spec) if isinstance(spec, Mapping) else spec for spec in specs]
