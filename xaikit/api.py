"""``xaikit.explain``: the engine on a model and a tensor, without any YAML."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

import torch
from torch import Tensor, nn

from xaikit import config, engine
from xaikit.config import Aggregation, FinishConfig, MethodConfig, Precision, Reduce, Use
from xaikit.errors import ConfigError, LayerNotFound
from xaikit.evidence import auto, forward
from xaikit.evidence.conditions import unwrapped
from xaikit.evidence.nests import first_tensor
from xaikit.evidence.taps import AUTO, LayerSpec, Tap, resolve, whole
from xaikit.explanation import Explanation
from xaikit.finish import build_finish
from xaikit.method import Method
from xaikit.registry import Registry, check_class, paper_of
from xaikit.targets import FunctionTarget, Target
from xaikit.trials.trial import effective_finish

TargetSpec = str | int | Sequence[int] | Mapping[str, Any] | Callable[[Any], Tensor]


MethodSpec = str | Sequence[str] | Mapping[str, Any]


def explain(
    model: nn.Module,
    inputs: Any,
    methods: MethodSpec = "gradcam",
    *,
    layers: LayerSpec | Mapping[str, str] | Sequence[LayerSpec | Mapping[str, str]] = AUTO,
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
            :class:`xaikit.config.AugmentConfig`. A method of the mapping may say its own.
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
    registry = Registry()
    model = unwrapped(model)
    if precision not in get_args(Precision):
        raise ConfigError(f"precision: expected one of {', '.join(get_args(Precision))}, got {precision!r}")
    count = len(first_tensor(inputs))
    chosen, known = _target(target, _labels(labels, count), count, registry)
    general = FinishConfig(**config.read_finish(finish or {}, registry))
    aggregation = config.read_aggregation(augment, reduce)
    arranged = config.read_layout(layout, registry)
    arrangement = None if arranged is None else config.instantiate("layout", arranged, registry)
    asked = _methods(methods, registry, finish or {}, aggregation)
    taps: tuple[Tap, ...] = ()
    if any(whole(one.method.needs) is None for one in asked.values()):
        taps = _taps(model, inputs, layers, chosen, known, output)
        taps = tuple(tap if arrangement is None else replace(tap, layout=arrangement) for tap in taps)
    requests = []
    for label, one in asked.items():
        stages = effective_finish(paper_of(type(one.method)), general, one.finish, registry)
        finisher, single = build_finish(stages, registry), whole(one.method.needs, arrangement)
        at = taps if single is None else (single,)
        aim = one.target or chosen
        requests.append(engine.Request(label, one.use, one.method, at, aim, finisher, seed, precision, one.aggregation))
    names = tuple(ids) if ids is not None else tuple(map(str, range(count)))
    if len(names) != count:
        raise ConfigError(f"ids: expected {count}, one a sample, got {len(names)}")
    return engine.explain(model, engine.Batch(inputs, names, known), requests, output=output, may_stop=True)[1]


@dataclass(frozen=True)
class _MethodRequest:
    """One label: the name that seeds its draws, the instance, and the finish, aggregation and target of its own."""

    use: str
    method: Method
    finish: Mapping[str, Use]
    aggregation: Aggregation
    target: Target | None = None


def _methods(
    methods: MethodSpec, registry: Registry, finish: Mapping[str, Any], aggregation: Aggregation
) -> dict[str, _MethodRequest]:
    """By label."""
    named = _named(methods)
    instances = {label: spec for label, spec in named.items() if not _is_plain(spec)}
    plain = {label: spec for label, spec in named.items() if _is_plain(spec)}
    read = config.read_methods(plain, registry, finish=finish) if plain or not instances else {}
    found: dict[str, _MethodRequest] = {}
    for label in named:
        if label in instances:
            method = instances[label]
            check_class("method", type(method), f"method {label!r}")
            found[label] = _MethodRequest(type(method).__name__, method, {}, aggregation)
        else:
            found[label] = _configured(label, read[label], registry, aggregation)
    return found


def _named(methods: MethodSpec) -> dict[str, Any]:
    if isinstance(methods, Mapping):
        return dict(methods)
    return dict.fromkeys([methods] if isinstance(methods, str) else methods)


def _is_plain(spec: Any) -> bool:
    return spec is None or isinstance(spec, (str, Mapping))


def _configured(label: str, method: MethodConfig, registry: Registry, aggregation: Aggregation) -> _MethodRequest:
    if method.layers is not None:
        raise ConfigError(f"methods: {label}: expected layers as an argument of explain, not of one method")
    target = None if method.target is None else config.instantiate("target", method.target, registry)
    instance = config.instantiate("method", Use(method.use, method.options), registry)
    augment = aggregation.augment if method.augment is None else method.augment
    return _MethodRequest(
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
        return config.instantiate("target", Use("label"), registry), torch.as_tensor(target)
    return config.instantiate("target", config.read_target(target, registry), registry), labels


def _taps(
    model: nn.Module,
    inputs: Any,
    layers: LayerSpec | Mapping[str, str] | Sequence[LayerSpec | Mapping[str, str]],
    target: Target,
    labels: Tensor | None,
    output: str | int,
) -> tuple[Tap, ...]:
    if not isinstance(layers, (str, nn.Module, Sequence, Mapping)):
        raise LayerNotFound(f"layers: expected names, modules or 'auto', got {layers!r}")
    listed = [layers] if isinstance(layers, (str, nn.Module, Mapping)) else list(layers)
    taps: list[Tap] = []
    for said in listed:
        spec = config.spelled(said) if isinstance(said, Mapping) else said
        taps += auto.of(model, inputs, target, labels, output) if spec == AUTO else resolve(model, spec)
    return tuple(dict.fromkeys(taps))
