"""``xaikit.explain``: the engine on a model and a tensor, without any YAML."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import torch
from torch import Tensor, nn

from xaikit import engine
from xaikit.config.arguments import read_aggregation, read_finish, read_layout, read_methods, read_target
from xaikit.config.keys import Use
from xaikit.config.plugins import instantiate
from xaikit.config.schema import Aggregation, FinishConfig, MethodConfig, Precision, Reduce
from xaikit.config.shorthand import spelled
from xaikit.engine.layers import LayerResolver
from xaikit.errors import ConfigError, LayerNotFound
from xaikit.evidence import forward
from xaikit.evidence.conditions import unwrapped
from xaikit.evidence.nests import first_tensor
from xaikit.evidence.taps import AUTO, LayerSpec
from xaikit.explanation import Explanation
from xaikit.finish import build_finish
from xaikit.method import Method
from xaikit.registry import Registry, check_class, paper_of
from xaikit.targets import FunctionTarget, Target
from xaikit.trials.trial import effective_finish

TargetSpec = str | int | Sequence[int] | Mapping[str, Any] | Callable[[Any], Tensor]
LayerSpecs = LayerSpec | Mapping[str, str] | Sequence[LayerSpec | Mapping[str, str]]
MethodSpec = str | Sequence[str] | Mapping[str, Any]


def explain(
    model: nn.Module,
    inputs: Any,
    methods: MethodSpec = "gradcam",
    *,
    layers: LayerSpecs = AUTO,
    target: TargetSpec = "top1",
    labels: Sequence[int] | Tensor | None = None,
    finish: Mapping[str, Any] | None = None,
    seed: int = 0,
    ids: Sequence[str] | None = None,
    output: str | int = forward.AUTO,
    precision: Precision = "float32",
    augment: Mapping[str, Any] | None = None,
    reduce: Reduce = "sum",
    layout: str | Mapping[str, Any] | None = None,
) -> dict[str, Explanation]:
    """Explain a batch by one or several methods, from one forward and one gradient call.

    The model is left as it was, whatever mode it is in and whether its weights are frozen.

    Args:
        inputs: a tensor (N, C, *S), a tuple of positional inputs, or a dict of named ones.
        methods: a name, a list of names, or a mapping from label to a name, to options such as
            ``{"use": "smoothgradcampp", "n": 8}``, or to an instance (``MyCam(k=3)``).
        layers: names, globs (``layer*``), modules, or "auto". Of a module that runs more than once,
            ``{"name": "conv", "call": "last"}`` or "conv@last".
        target: "top1", a class index, one index a sample (a list of N), ``{"use": "top", "k": 5}``,
            ``{"use": "classes", "of": [1, 2]}``, or a callable from the output to (N,) or (N, T) scores.
        labels: the class of every sample, for ``"label"`` and for targets with ``"of": "label"``. A method of the mapping may
            say a target of its own: ``{"use": "gradcam", "target": {"use": "contrast"}}``.
        finish: choices for the stages of the finish, such as ``{"normalize": "minmax", "resize": "none"}``.
        seed: of every random draw.
        output: the part of the model's output that is explained: a key, attribute or index; by itself logits, or the
            first tensor.
        precision: "bfloat16" or "float16" for autocast in passes that only score variants, as Score-CAM's.
        augment: variants of the inputs whose maps are averaged: ``{"flip": True, "scale": [0.9, 1, 1.1]}``; see
            :class:`xaikit.config.schema.AugmentConfig`. A method of the mapping may say its own.
        reduce: "principal" for the first principal component of weighed channels in place of their sum.
        layout: how the tensors at the layers are arranged, where shapes alone do not tell:
            ``{"use": "tokens", "prefix": 5, "grid": [16, 16]}``.
        ids: one string a sample, for which its random numbers are drawn; the row by default.

    Returns:
        One :class:`xaikit.Explanation` a label. Maps are (N, *S); (N, T, *S) for a plural target.

    Raises:
        ConfigError: an option, target or finish that does not exist or does not fit, all of them at once.
        LayerNotFound, TapError, Disconnected: a layer that cannot be explained.
        UnknownPlugin, PluginConflict, PluginContract: a method that cannot be used.

    >>> import torch, xaikit
    >>> from torch.nn import Conv2d, Flatten, Linear, ReLU, Sequential
    >>> net = Sequential(Conv2d(3, 4, 3), ReLU(), Flatten(), Linear(144, 5))
    >>> maps = xaikit.explain(net, torch.rand(2, 3, 8, 8), ["gradcam", "layercam"], target=[0, 3])
    >>> maps["layercam"].map.shape
    torch.Size([2, 8, 8])
    """
    registry, model, samples = Registry(), unwrapped(model), len(first_tensor(inputs))
    if precision not in get_args(Precision):
        raise ConfigError(f"precision: expected one of {', '.join(get_args(Precision))}, got {precision!r}")
    general_target, classes = _target(target, _labels(labels, samples), samples, registry)
    general_finish = FinishConfig(**read_finish(finish or {}, registry))
    stated_layout = read_layout(layout, registry)
    arrangement = None if stated_layout is None else instantiate("layout", stated_layout, registry)
    named = _methods(methods, registry, finish or {}, read_aggregation(augment, reduce))
    batch = engine.Batch(inputs, _ids(ids, samples), classes)
    resolver, listed = LayerResolver(model, batch, output, arrangement), _listed(layers)
    requests = []
    for label, one in named.items():
        stages = effective_finish(paper_of(type(one.method)), general_finish, one.finish, registry)
        requests.append(
            engine.Request(
                label,
                one.use,
                one.method,
                resolver.taps(one.method, listed, general_target),
                one.target or general_target,
                build_finish(stages, registry),
                seed,
                precision,
                one.aggregation,
            )
        )
    return engine.explain(model, batch, requests, output=output, may_stop=True)[1]


@dataclass(frozen=True)
class _NamedMethod:
    """What stands under one label: the name that seeds its draws, the instance, and what is stated for it alone."""

    use: str
    method: Method
    finish: Mapping[str, Use]
    aggregation: Aggregation
    target: Target | None = None


def _methods(
    methods: MethodSpec, registry: Registry, finish: Mapping[str, Any], aggregation: Aggregation
) -> dict[str, _NamedMethod]:
    """By label."""
    specs = _named(methods)
    plain = {label: spec for label, spec in specs.items() if _is_plain(spec)}
    configs = read_methods(plain, registry, finish=finish) if plain or not specs else {}
    named: dict[str, _NamedMethod] = {}
    for label, spec in specs.items():
        if label in plain:
            named[label] = _configured(label, configs[label], registry, aggregation)
        else:
            check_class("method", type(spec), f"method {label!r}")
            named[label] = _NamedMethod(type(spec).__name__, spec, {}, aggregation)
    return named


def _named(methods: MethodSpec) -> dict[str, Any]:
    if isinstance(methods, Mapping):
        return dict(methods)
    return dict.fromkeys([methods] if isinstance(methods, str) else methods)


def _is_plain(spec: Any) -> bool:
    return spec is None or isinstance(spec, (str, Mapping))


def _configured(label: str, method: MethodConfig, registry: Registry, aggregation: Aggregation) -> _NamedMethod:
    if method.layers is not None:
        raise ConfigError(f"methods: {label}: expected layers as an argument of explain, not of one method")
    target = None if method.target is None else instantiate("target", method.target, registry)
    instance = instantiate("method", Use(method.use, method.options), registry)
    augment = aggregation.augment if method.augment is None else method.augment
    return _NamedMethod(
        method.use, instance, method.finish, Aggregation(augment, method.reduce or aggregation.reduce), target
    )


def _labels(labels: Sequence[int] | Tensor | None, count: int) -> Tensor | None:
    if labels is not None and len(labels) != count:
        raise ConfigError(f"labels: expected {count} class indices, one a sample, got {len(labels)}")
    return None if labels is None else torch.as_tensor(labels)


def _target(target: TargetSpec, labels: Tensor | None, count: int, registry: Registry) -> tuple[Target, Tensor | None]:
    """The target, and the labels, which it may be itself: one index a sample."""
    if callable(target):
        return FunctionTarget(target), labels
    if isinstance(target, (Sequence, Tensor)) and not isinstance(target, str):
        if len(target) != count:
            raise ConfigError(f"target: expected {count} class indices, one a sample, got {len(target)}")
        if labels is not None:
            raise ConfigError("target: expected labels or one class index a sample, got both; write target='label'")
        return instantiate("target", Use("label"), registry), torch.as_tensor(target)
    return instantiate("target", read_target(target, registry), registry), labels


def _ids(ids: Sequence[str] | None, samples: int) -> tuple[str, ...]:
    names = tuple(ids) if ids is not None else tuple(map(str, range(samples)))
    if len(names) != samples:
        raise ConfigError(f"ids: expected {samples}, one a sample, got {len(names)}")
    return names


def _listed(layers: LayerSpecs) -> list[LayerSpec]:
    if not isinstance(layers, (str, nn.Module, Sequence, Mapping)):
        raise LayerNotFound(f"layers: expected names, modules or 'auto', got {layers!r}")
    specs = [layers] if isinstance(layers, (str, nn.Module, Mapping)) else layers
    return [spelled(spec) if isinstance(spec, Mapping) else spec for spec in specs]
