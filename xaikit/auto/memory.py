"""What ``auto`` has found, remembered for a model for as long as the model stays what it was."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Hashable, Mapping, Sequence
from enum import Enum
from typing import Any
from weakref import WeakKeyDictionary, ref

import torch
from torch import Tensor, nn

from xaikit.evidence.taps import Tap
from xaikit.passes.modes import Mode
from xaikit.passes.nests import signature
from xaikit.targets import Target

_SIMPLE = (bool, int, float, str, type(None))

_PLAIN = (*_SIMPLE, complex, bytes, Enum, torch.dtype, torch.device, torch.Size)

_OF_EVERY_MODULE = frozenset(vars(nn.Module())) - {"_forward_hooks", "_forward_pre_hooks"}

_DEEPEST = 4
"""Levels of containers and plain objects that are looked into."""

_remembered: WeakKeyDictionary[nn.Module, dict[Hashable, tuple[Any, tuple[Tap, ...]]]] = WeakKeyDictionary()


def remembered(
    model: nn.Module,
    inputs: Any,
    target: Target,
    labels: Tensor | None,
    further: tuple[Hashable, ...],
    mode: Mode,
    find: Callable[[], tuple[Tap, ...]],
) -> tuple[Tap, ...]:
    """What ``find`` gave for this model, inputs of this shape and this target; found anew where the model has changed since, and
    always for a target that is no plain value, as a function is.

    Args:
        labels: of the batch, of which the first counts.
        further: what else it depends on.
    """
    values = _value_of(target)
    if values is None:
        return find()
    label = None if labels is None else tuple(labels[:1].flatten().tolist())
    key = (signature(inputs), values, label, further, mode)
    try:
        state = _state(model, mode)
    except RuntimeError:  # weights of a kind that no number can be read from
        return find()
    layers = _remembered.setdefault(model, {})
    if key not in layers or layers[key][0] != state:
        taps = find()
        layers[key] = (state, taps)
    return layers[key][1]


def _value_of(target: Any) -> Hashable | None:
    """A frozen dataclass of plain values as a key; None where it holds something else."""
    if not dataclasses.is_dataclass(target):
        return None
    values = [(item.name, getattr(target, item.name)) for item in dataclasses.fields(target)]
    parts = [(name, value if _is_plain(value) else _value_of(value)) for name, value in values]
    if any(part is None and value is not None for (_, part), (_, value) in zip(parts, values, strict=True)):
        return None
    return type(target), tuple(parts)


def _is_plain(value: Any) -> bool:
    return isinstance(value, _PLAIN) or (isinstance(value, tuple) and all(map(_is_plain, value)))


def _state(model: nn.Module, mode: Mode) -> tuple[Any, ...]:
    """What changes when a model does: its modules, their attributes, hooks and weights; keeps nothing of it alive."""
    memo: dict[int, Any] = {}
    modules = list(model.modules())
    weights = [weight for module in modules for weight in module._parameters.values() if weight is not None]
    buffers = [buffer for module in modules for buffer in module._buffers.values() if buffer is not None]
    return (
        [(ref(module), module.training if mode != "eval" else None, _attributes(module, memo)) for module in modules],
        [(ref(tensor), tensor._version) for tensor in (*weights, *buffers)],
        _middles(weights),
    )


def _attributes(module: nn.Module, memo: dict[int, Any]) -> list[Any]:
    forward = type(module).forward
    code = forward.__code__ if isinstance(forward, types.FunctionType) else None
    return [
        code,
        *(
            (name, value if type(value) in _SIMPLE else _seen(value, memo))
            for name, value in vars(module).items()
            if name not in _OF_EVERY_MODULE
        ),
    ]


def _middles(weights: Sequence[Tensor]) -> list[float]:
    """One number of every matrix or kernel: who writes to ``weight.data`` leaves its version as it was."""
    by_kind: dict[Any, list[Tensor]] = {}
    for weight in weights:
        if weight.dim() > 1 and weight.numel():
            middle = weight.detach().flatten()[weight.numel() // 2]
            by_kind.setdefault((middle.device, middle.dtype), []).append(middle)
    return [number for some in by_kind.values() for number in torch.stack(some).tolist()]


def _seen(value: Any, memo: dict[int, Any], depth: int = 0) -> Any:
    """A value that is equal where an attribute is: plain values and containers by what they hold, all else by what it is."""
    if _is_plain(value):
        return value
    if isinstance(value, Tensor):
        return id(value), value._version
    if isinstance(value, types.MethodType):
        return value.__func__.__code__ if isinstance(value.__func__, types.FunctionType) else id(value.__func__)
    if isinstance(value, types.FunctionType):
        return value.__code__
    if depth >= _DEEPEST or isinstance(value, (nn.Module, type)):
        return id(value)
    if id(value) not in memo:
        memo[id(value)] = id(value)  # for one that holds itself
        memo[id(value)] = _contents(value, memo, depth + 1)
    return memo[id(value)]


def _contents(value: Any, memo: dict[int, Any], depth: int) -> Any:
    if isinstance(value, Mapping):
        return tuple((_seen(key, memo, depth), _seen(each, memo, depth)) for key, each in value.items())
    if isinstance(value, (list, tuple)):
        return tuple(_seen(each, memo, depth) for each in value)
    if isinstance(value, (set, frozenset)):
        return frozenset(hash(each) for each in value)
    inner = getattr(value, "__dict__", None)
    return (id(value), _contents(inner, memo, depth)) if isinstance(inner, dict) else id(value)
