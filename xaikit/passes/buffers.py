"""Buffers for the length of a pass: what a forward counts or averages in them is undone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from xaikit._numeric import is_traced, on_host
from xaikit.passes.modes import Mode

_changes: WeakKeyDictionary[nn.Module, dict[str, bool]] = WeakKeyDictionary()
"""Of a module's own buffers, by name: whether some forward has changed it, or a whole one was seen to leave it alone."""


_forwards: WeakKeyDictionary[nn.Module, int] = WeakKeyDictionary()
"""The whole forwards of a model so far."""


def count_forward(model: nn.Module) -> None:
    """Say that a forward of the whole model has ended: what no buffer shows now needs no copy from then on."""
    _forwards[model] = _forwards.get(model, 0) + 1


class _Held(NamedTuple):
    """A buffer of a module, and what stands in its place for the length of a pass: a copy, or itself.

    buffers  of the module, by name
    changes  what is known of them, by name
    """

    buffers: dict[str, Tensor | None]
    changes: dict[str, bool]
    name: str
    own: Tensor
    stand_in: Tensor
    version: int

    def put_back(self) -> Tensor | None:
        """What was in its place at the end of the pass."""
        now = self.buffers.get(self.name)
        self.buffers[self.name] = self.own
        return now

    def is_changed(self, now: Tensor | None) -> bool | Tensor:
        """Or whether it is in a tensor, where the numbers tell."""
        if now is not self.stand_in or now._version != self.version:
            return True
        if now is self.own:
            return False
        # the kernels of batch normalization, and who writes to .data, leave the version as it was
        return (now != self.own).any() if _is_comparable(now) and now.shape == self.own.shape else True


@contextmanager
def kept(model: nn.Module, modules: Iterable[nn.Module], mode: Mode) -> Iterator[None]:
    """Every buffer of a state dict, and every one of modules that train, is afterwards the tensor that it was, unchanged.

    Forwards work on copies until a whole one has ended; afterwards on copies of what was changed. What they make anew, and
    buffers outside the state dict, which are what they cache, stay as they leave them: attributes may say so.
    """
    copies: dict[int, Tensor] = {}
    held = [one for module in modules if module._buffers for one in _held(module, mode, copies)]
    for one in held:
        one.buffers[one.name] = one.stand_in
    before = _forwards.get(model, 0)
    try:
        yield
    finally:
        is_whole = _forwards.get(model, 0) > before
        ended = [(one, one.put_back()) for one in held]
        watched = [(one, one.is_changed(now)) for one, now in ended if not one.changes.get(one.name)]
        verdicts = _read([verdict for _, verdict in watched])
        for (one, _), is_changed in zip(watched, verdicts, strict=True):
            if is_changed:
                one.changes[one.name] = True
            elif is_whole:
                one.changes.setdefault(one.name, False)


def _read(verdicts: Sequence[bool | Tensor]) -> list[bool]:
    """Those in tensors by one copy for all of a device."""
    read = iter(on_host([verdict for verdict in verdicts if isinstance(verdict, Tensor)]))
    return [bool(next(read)) if isinstance(verdict, Tensor) else verdict for verdict in verdicts]


def _held(module: nn.Module, mode: Mode, copies: dict[int, Tensor]) -> Iterator[_Held]:
    trains, buffers, changes = mode == "as_is" and module.training, module._buffers, _changes.setdefault(module, {})
    for name, own in buffers.items():
        if own is None or (name in module._non_persistent_buffers_set and not trains):
            continue
        stand_in = own
        if trains or own.is_inference() or changes.get(name, True):
            stand_in = copies[id(own)] if id(own) in copies else own.clone()
            copies[id(own)] = stand_in  # one for all modules that share it
        yield _Held(buffers, changes, name, own, stand_in, stand_in._version)


def _is_comparable(tensor: Tensor) -> bool:
    return tensor.layout == torch.strided and not is_traced(tensor)
