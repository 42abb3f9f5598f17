"""Buffers for the length of a pass: what a forward counts or averages in them is undone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from xaikit._numeric import is_traced
from xaikit.passes.modes import Mode

_changes: WeakKeyDictionary[nn.Module, dict[str, bool]] = WeakKeyDictionary()
"""Of a module's own buffers, by name: whether some forward has changed it, or a whole one was seen to leave it alone."""


_forwards: WeakKeyDictionary[nn.Module, int] = WeakKeyDictionary()
"""The whole forwards of a model so far."""


def count_forward(model: nn.Module) -> None:
    """Say that a forward of the whole model has ended: what no buffer shows now needs no copy from then on."""
    _forwards[model] = _forwards.get(model, 0) + 1


@dataclass(frozen=True)
class _Held:
    """A buffer of a module, and what stands in its place for the length of a pass: a copy, or itself."""

    module: nn.Module
    name: str
    own: Tensor
    stand_in: Tensor
    version: int

    def is_changed(self) -> bool:
        now = self.module._buffers.get(self.name)
        if now is not self.stand_in or now._version != self.version:
            return True
        # the kernels of batch normalization, and who writes to .data, leave the version as it was
        return now is not self.own and not (_is_comparable(now) and torch.equal(now, self.own))

    def put_back(self) -> None:
        self.module._buffers[self.name] = self.own


@contextmanager
def kept(model: nn.Module, mode: Mode) -> Iterator[None]:
    """Every buffer of a state dict, and every one of modules that train, is afterwards the tensor that it was, unchanged.

    Forwards work on copies until a whole one has ended; afterwards on copies of what was changed. What it makes anew, and buffers
    outside the state dict, which are what it caches, stay as it leaves them: attributes may say so.
    """
    copies: dict[int, Tensor] = {}
    held = [
        _held(module, name, value, mode, copies)
        for module in model.modules()
        for name, value in module._buffers.items()
        if value is not None and (_trains(module, mode) or name not in module._non_persistent_buffers_set)
    ]
    for one in held:
        one.module._buffers[one.name] = one.stand_in
    before = _forwards.get(model, 0)
    try:
        yield
    finally:
        is_whole = _forwards.get(model, 0) > before
        for one in held:
            known = _changes.setdefault(one.module, {})
            if one.is_changed():
                known[one.name] = True
            elif is_whole:
                known.setdefault(one.name, False)
            one.put_back()


def _held(module: nn.Module, name: str, own: Tensor, mode: Mode, copies: dict[int, Tensor]) -> _Held:
    stand_in = own
    if _trains(module, mode) or own.is_inference() or _changes.get(module, {}).get(name, True):
        stand_in = copies[id(own)] if id(own) in copies else own.clone()
        copies[id(own)] = stand_in  # one for all modules that share it
    return _Held(module, name, own, stand_in, stand_in._version)


def _is_comparable(tensor: Tensor) -> bool:
    return tensor.layout == torch.strided and not is_traced(tensor)


def _trains(module: nn.Module, mode: Mode) -> bool:
    return mode == "as_is" and module.training
