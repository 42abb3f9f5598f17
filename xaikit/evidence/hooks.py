"""The cut: which tensor of a pass becomes a leaf, and what all evidence of one pass has in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from xaikit.errors import TapError
from xaikit.evidence.nests import Path, replaced, tensors_in
from xaikit.evidence.taps import Tap, module_at, plain_name, tensors_at


class StopForward(BaseException):
    """Raised out of a forward whose taps have all fired, where nothing behind them is needed.

    Not an Exception: a model's own ``except Exception`` must not swallow it.
    """


@dataclass
class Cut:
    """What the evidence of one pass has in common; apart from the recording, so that no cycle keeps its tensors alive.

    waiting  taps that have not fired, where the forward may stop behind the last one; else None
    """

    differentiate: bool
    waiting: set[Tap] | None = None
    has_leaf: bool = False
    severed: bool = False
    guards: list[Any] = field(default_factory=list)

    def check(self) -> None:
        """Notice that grad mode is off where a gradient has to pass."""
        self.severed = self.severed or (self.has_leaf and not torch.is_grad_enabled())

    def fired(self, tap: Tap) -> None:
        """Stop the forward if this was the last tap to wait for."""
        if self.waiting is not None:
            self.waiting.discard(tap)
            if not self.waiting:
                raise StopForward

    def leave_inference_mode(self) -> None:
        """A model may enter inference mode in its own forward; what lies behind a tap has to be outside of it."""
        if torch.is_inference_mode_enabled():
            self.guards.append(torch._C._InferenceMode(False))

    def cut(self, tensor: Tensor, where: object) -> Tensor:
        """The tensor, or a leaf in its place where nothing has required grad so far; grad is on from there.

        Args:
            where: names the tensor in errors.
        """
        if not tensor.is_floating_point():
            raise TapError(f"layer {where}: expected floating-point numbers to differentiate, got {tensor.dtype}")
        self.check()
        if torch.is_grad_enabled() and tensor.requires_grad:
            return tensor
        self.has_leaf = True
        torch.set_grad_enabled(True)
        return tensor.detach().requires_grad_()


Substitute = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class TappedTensor:
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

    def __init__(self, tap: Tap, course: Cut, substitute: Substitute | None = None) -> None:
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

    def points(self) -> list[TappedTensor]:
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
        return [TappedTensor(kept.path, turn, self._at(kept)) for kept in self._kept]

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
