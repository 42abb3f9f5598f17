"""What ``auto`` has found, remembered for a model for as long as the model stays what it was."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from xaikit.evidence.taps import Tap
from xaikit.passes.changes import is_plain, state
from xaikit.passes.modes import Mode
from xaikit.passes.nests import signature
from xaikit.targets import Target

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
        now = _state(model, mode)
    except RuntimeError:  # weights of a kind that no number can be read from
        return find()
    layers = _remembered.setdefault(model, {})
    if key not in layers or layers[key][0] != now:
        taps = find()
        layers[key] = (now, taps)
    return layers[key][1]


def _value_of(target: Any) -> Hashable | None:
    """A frozen dataclass of plain values as a key; None where it holds something else."""
    if not dataclasses.is_dataclass(target):
        return None
    values = [(item.name, getattr(target, item.name)) for item in dataclasses.fields(target)]
    parts = [(name, value if is_plain(value) else _value_of(value)) for name, value in values]
    if any(part is None and value is not None for (_, part), (_, value) in zip(parts, values, strict=True)):
        return None
    return type(target), tuple(parts)


def _state(model: nn.Module, mode: Mode) -> tuple[Any, ...]:
    return state(model, mode), _middles([weight for _, weight in model.named_parameters()])


def _middles(weights: Sequence[Tensor]) -> list[float]:
    """One number of every matrix or kernel: who writes to ``weight.data`` leaves its version as it was."""
    by_kind: dict[Any, list[Tensor]] = {}
    for weight in weights:
        if weight.dim() > 1 and weight.numel():
            middle = weight.detach().flatten()[weight.numel() // 2]
            by_kind.setdefault((middle.device, middle.dtype), []).append(middle)
    return [number for some in by_kind.values() for number in torch.stack(some).tolist()]
