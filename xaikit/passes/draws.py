"""Random numbers that a model draws in a pass: the global random state is put back."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from xaikit.passes.modes import Mode

_drew: WeakKeyDictionary[nn.Module, dict[Hashable, bool]] = WeakKeyDictionary()
"""Whether the first pass of a model, while these of its modules train, moved the global random state."""


@contextmanager
def drawing_apart(model: nn.Module, mode: Mode) -> Iterator[None]:
    """Put the global random state back where the model drew from it.

    Not where only another thread can have drawn meanwhile: it would draw the same numbers once more.
    """
    devices = sorted({value.device.index or 0 for value in model.parameters() if value.device.type == "cuda"})
    training = mode == "as_is" and tuple(module.training for module in model.modules())
    before = _states(devices)
    drew = True
    try:
        yield
        drew = _moved(before, devices)
        known = _drew.setdefault(model, {}).setdefault(training, drew)
        drew = known or (drew and threading.active_count() == 1)
    finally:
        if drew and _moved(before, devices):
            torch.set_rng_state(before[0])
            for device, state in zip(devices, before[1:], strict=True):
                torch.cuda.set_rng_state(state, device)


def _states(devices: Sequence[int]) -> list[Tensor]:
    return [torch.get_rng_state(), *map(torch.cuda.get_rng_state, devices)]


def _moved(before: Sequence[Tensor], devices: Sequence[int]) -> bool:
    return not all(map(torch.equal, before, _states(devices)))
