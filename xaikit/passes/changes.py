"""Whether a model is still what it was."""

from __future__ import annotations

import types
from collections.abc import Mapping
from enum import Enum
from typing import Any
from weakref import ref

import torch
from torch import Tensor, nn

from xaikit.passes.modes import Mode

_SIMPLE = (bool, int, float, str, type(None))

_PLAIN = (*_SIMPLE, complex, bytes, Enum, torch.dtype, torch.device, torch.Size)

_OF_EVERY_MODULE = frozenset(vars(nn.Module())) - {"_forward_hooks", "_forward_pre_hooks"}

_DEEPEST = 4
"""Levels of containers and plain objects that are looked into."""


def state(model: nn.Module, mode: Mode) -> tuple[Any, ...]:
    """What changes when a model does: its modules, their attributes and hooks, and which tensors it has, of what version; keeps
    nothing of it alive.

    Raises:
        RuntimeError: tensors have no version, as those made in inference mode.
    """
    memo: dict[int, Any] = {}
    modules = list(model.modules())
    weights = [weight for module in modules for weight in module._parameters.values() if weight is not None]
    buffers = [buffer for module in modules for buffer in module._buffers.values() if buffer is not None]
    return (
        [(ref(module), module.training if mode != "eval" else None, _attributes(module, memo)) for module in modules],
        [(ref(tensor), tensor._version) for tensor in (*weights, *buffers)],
    )


def is_plain(value: Any) -> bool:
    """Whether a value is equal to another one that says the same, and never changes."""
    return isinstance(value, _PLAIN) or (isinstance(value, tuple) and all(map(is_plain, value)))


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


def _seen(value: Any, memo: dict[int, Any], depth: int = 0) -> Any:
    """A value that is equal where an attribute is: plain values and containers by what they hold, all else by what it is."""
    if is_plain(value):
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
