"""The only place that hooks a module.

The cut: the model runs under ``no_grad``; the tap that fires first becomes a leaf and turns grad on, a later tap that
requires no grad becomes a further leaf, and everything behind them is differentiable. So nothing before the first tap
is kept for a backward pass. What the module returned is kept, and a clone is passed on: an operation in place behind
the tap then changes the clone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from xaikit.calling import call, copied
from xaikit.conditions import undisturbed
from xaikit.cutting import Course
from xaikit.errors import TapError
from xaikit.layers import Path, Tap, module_at, plain_name, replaced, tensors_at, tensors_in

Substitute = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Point:
    """A tensor at a tap: the way to it in what the module returned, and at which of its calls."""

    path: Path
    turn: int
    tensor: Tensor


@dataclass(frozen=True)
class _Kept:
    """One tensor as the hook kept it, its version then, and the clone that was handed on."""

    path: Path
    tensor: Tensor
    version: int
    handed: Tensor


class Recorder:
    """The forward hook of one tap."""

    def __init__(self, tap: Tap, course: Course, substitute: Substitute | None = None) -> None:
        self._tap = tap
        self._course = course
        self._substitute = substitute
        self._firings = 0
        self._kept: list[_Kept] = []

    def __call__(self, module: nn.Module, args: Any, output: Any) -> Any:
        self._firings += 1
        if self._tap.call == "first" and self._firings > 1:
            return None
        self._course.leave_inference_mode()
        self._kept = [self._keep(path, tensor) for path, tensor in tensors_at(output, self._tap)]
        for kept in self._kept:
            output = self._handed_on(output, kept)
        self._course.fired(self._tap)
        return output

    def _handed_on(self, output: Any, kept: _Kept) -> Any:
        try:
            return replaced(output, kept.path, kept.handed)
        except TapError as error:
            raise TapError(f"layer {self._tap}: {error}") from None

    def _keep(self, path: Path, tensor: Tensor) -> _Kept:
        tensor = tensor.clone() if tensor.is_inference() else tensor
        tensor = tensor if self._substitute is None else self._substitute(tensor)
        kept = self._course.cut(tensor, self._tap) if self._course.differentiate else tensor
        return _Kept(path, kept, kept._version, kept.clone())

    def points(self) -> list[Point]:
        if not self._kept:
            raise TapError(
                f"layer {self._tap} never ran in this forward: is it only used in training, or for other inputs?"
            )
        if self._firings > 1 and self._tap.call == "only":
            raise TapError(
                f"layer {self._tap} ran {self._firings} times in one forward: expected once; name a module around it, "
                f"or the call: '{self._tap.name}@first' or '{self._tap.name}@last'"
            )
        turn = 1 if self._tap.call == "first" else self._firings
        return [Point(kept.path, turn, self._at(kept)) for kept in self._kept]

    def _at(self, kept: _Kept) -> Tensor:
        if self._tap.at == "consumed":
            return kept.handed
        if kept.tensor._version != kept.version:
            raise TapError(
                f"layer {self._tap}: what it returned was changed in place through an alias; "
                f"tap the layer behind it, or '{self._tap}+'"
            )
        return kept.tensor


@contextmanager
def substituted(model: nn.Module, tap: Tap, path: Path, turn: int, substitute: Substitute) -> Iterator[None]:
    """While the block lasts, one tensor that the tap's module returns at one of its calls is another."""
    turns = 0

    def hook(module: nn.Module, args: Any, output: Any) -> Any:
        nonlocal turns
        turns += 1
        if turns != turn:
            return None
        (found,) = [tensor for place, tensor in tensors_in(output) if place == path]
        return replaced(output, path, substitute(found))

    handle = module_at(model, tap.name).register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def watched(
    model: nn.Module,
    leave: Callable[[str, nn.Module, Any, Any], None],
    enter: Callable[[str, nn.Module, Any], None] | None = None,
) -> Iterator[None]:
    """``enter(name, module, args)`` and ``leave(name, module, args, output)`` around every call of a module in the
    model, for the length of the block."""
    with ExitStack() as stack:
        for name, module in named(model):
            if name and enter is not None:
                stack.callback(module.register_forward_pre_hook(partial(enter, name)).remove)
            if name:
                stack.callback(module.register_forward_hook(partial(leave, name)).remove)
        yield


def named(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Modules by their plain names, the wrappers of compiled ones left out."""
    for name, module in model.named_modules():
        if not hasattr(module, "_orig_mod"):
            yield plain_name(name), module


def on_usable_weights(model: nn.Module, work: Callable[[], Any]) -> Any:
    """Call ``work()``; on detached weights where some were made in inference mode, as autograd cannot save those."""
    return on_detached_weights(model, work) if has_inference_weights(model) else work()


def has_inference_weights(model: nn.Module) -> bool:
    """Whether parameters or buffers were made in inference mode."""
    return any(value.is_inference() for _, value in _state(model))


def on_detached_weights(model: nn.Module, work: Any) -> Any:
    """Call ``work()`` while the model computes with detached weights; the model's own tensors are in their place again
    afterwards.

    With weights that require no grad, grad mode can be on throughout and the part before the taps still records nothing:
    so a forward that switches grad off for a while goes back to "on".
    """
    weights = {
        f"model.{name}": value.detach().clone() if value.is_inference() else value.detach()
        for name, value in _state(model)
    }
    return torch.func.functional_call(_Host(model), weights, (work,))


class _Host(nn.Module):
    """What ``functional_call`` calls: the model is its child, the work its argument."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, work: Any) -> Any:
        return work()


def _state(model: nn.Module) -> list[tuple[str, Tensor]]:
    return [*model.named_parameters(), *model.named_buffers()]


def shapes(model: nn.Module, inputs: Any) -> list[tuple[str, str, tuple[int, ...]]]:
    """Name, class and the shape of the first returned tensor of every module, in the order in which they completed."""
    seen: list[tuple[str, str, tuple[int, ...]]] = []

    def note(name: str, module: nn.Module, args: Any, output: Any) -> None:
        for _, tensor in tensors_in(output):
            seen.append((name, type(module).__name__, tuple(tensor.shape)))
            return

    with undisturbed(model), torch.no_grad(), watched(model, note):
        call(model, copied(inputs))
    return seen
