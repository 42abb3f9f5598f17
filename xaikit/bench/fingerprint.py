"""What tells one opened model from another: the digest of its weights, and that of what it does with them."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import re
import sys
import types
from collections.abc import Iterator, Mapping, Set
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from xaikit.registry.modules import source_of
from xaikit.trials.digests import source_digest

DEEPEST = 8
"""Levels of containers that are looked into: one may hold itself."""

_OF_EVERY_MODULE = frozenset(vars(nn.Module()))
"""What torch itself keeps of a module: parameters, buffers and parts are looked at elsewhere."""

_HOOKS = ("_forward_hooks", "_forward_pre_hooks")


def digest_of(module: nn.Module) -> str:
    """The SHA-256 of all parameters and buffers: name, type, shape and bytes, in the order of the modules."""
    hasher = hashlib.sha256()
    persistent = module.state_dict()
    passing = {name: buffer for name, buffer in module.named_buffers() if name not in persistent}
    for name, tensor in {**persistent, **passing}.items():
        hasher.update(f"{name}|".encode() + bytes_of(tensor))
    return hasher.hexdigest()


def architecture_of(module: nn.Module) -> str:
    """The SHA-256 of what a model does with its weights: its modules as they print, their plain attributes, the functions that
    they hold, and the source of their classes; where that is in no installed distribution, of what it imports beside it, too.

    Plain are numbers, strings, None, tensors, arrays, enumerations, and containers, namespaces and dataclasses of these; of
    what else a module holds the class counts. Of torch's own classes the name is enough, the version of torch is written down
    elsewhere. To be taken before the model has run: it may count its calls.
    """
    printed = re.sub(r" at 0x[0-9a-f]+", "", repr(module))
    homes = sorted({type(part).__module__ for part in module.modules()})
    sources = [f"{source_of(home)}{_imported(home)}" for home in homes if home.partition(".")[0] != "torch"]
    hasher = hashlib.sha256("\n".join([printed, *homes, *sources]).encode())
    for name, part in module.named_modules():
        for attribute, value in _attributes(part):
            hasher.update(f"\n{name}|{attribute}|".encode() + _described(value))
    return hasher.hexdigest()


def _imported(home: str) -> str:
    """The digest of a module with what it imports beside it; "" in an installed distribution, which nobody edits."""
    module = sys.modules.get(home)
    file = getattr(module, "__file__", None)
    installed = not file or {"site-packages", "dist-packages"}.intersection(Path(file).parts)
    return "" if installed or module is None else source_digest(module)


def _attributes(part: nn.Module) -> Iterator[tuple[str, Any]]:
    """By name; hooks without the number that torch has given each."""
    yield "class", f"{type(part).__module__}.{type(part).__qualname__}"
    yield from sorted((name, value) for name, value in vars(part).items() if name not in _OF_EVERY_MODULE)
    yield from ((name, list(getattr(part, name).values())) for name in _HOOKS)


def _described(value: Any, depth: int = 0) -> bytes:
    """The bytes that stand for a value, the same in every process."""
    if value is None or isinstance(
        value, bool | int | float | complex | str | bytes | Enum | torch.dtype | torch.device
    ):
        return f"{type(value).__name__}:{value!r}".encode()
    if isinstance(value, Tensor):
        return bytes_of(value)
    if isinstance(value, np.ndarray):
        return f"array:{value.dtype}:{value.shape}:".encode() + value.tobytes()
    inner = _contents(value)
    if inner is None or depth >= DEEPEST:
        return f"{type(value).__module__}.{type(value).__qualname__}".encode()
    parts = [_described(each, depth + 1) for each in inner]
    ordered = sorted(parts) if isinstance(value, Set) else parts
    return f"{type(value).__qualname__}({len(ordered)})[".encode() + b",".join(ordered) + b"]"


def _contents(value: Any) -> list[Any] | None:
    """What a value is made of; None where that is not known."""
    if isinstance(value, Mapping):
        return [each for item in value.items() for each in item]
    if isinstance(value, list | tuple | Set):
        return list(value)
    if isinstance(value, types.SimpleNamespace):
        return [vars(value)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [{item.name: getattr(value, item.name) for item in dataclasses.fields(value)}]
    if isinstance(value, functools.partial):
        return [value.func, value.args, value.keywords]
    if isinstance(value, types.FunctionType):
        return [*_code(value.__code__), value.__defaults__, value.__kwdefaults__, _closure(value)]
    return None


def _code(code: types.CodeType) -> list[Any]:
    constants = [_code(each) if isinstance(each, types.CodeType) else each for each in code.co_consts]
    return [code.co_code, code.co_names, constants]


def _closure(function: types.FunctionType) -> list[Any]:
    """What a function has taken along from where it was made; a name may have no value yet."""
    cells = function.__closure__ or ()
    return [cell.cell_contents for cell in cells if cell != types.CellType()]


def bytes_of(tensor: Tensor) -> bytes:
    """The type, shape and content of a tensor."""
    value = tensor.detach().cpu().contiguous()
    content = value.reshape(-1).view(torch.uint8).numpy().tobytes() if value.numel() else b""
    return f"{value.dtype}|{tuple(value.shape)}|".encode() + content
