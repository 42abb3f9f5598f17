"""The only place that hooks a module.

The cut: the model runs under ``no_grad``; the tap that fires first becomes a leaf and turns grad on, a later tap that
requires no grad becomes a further leaf, and everything behind them is differentiable. So nothing before the first tap
is kept for a backward pass. What the module returned is kept, and a clone is passed on: an operation in place behind
the tap then changes the clone.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from xaikit.errors import TapError
from xaikit.layers import Tap, replaced, tensor_at, tensors_in


@contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """Conditions of a pass, all of them undone afterwards, also when it raises.

    Evaluation mode for every module; no inference mode; attention computed the differentiable way, so that a map
    alone and the same map beside others come from the same kernels; compiled code run eagerly, so that hooks fire;
    the global random state kept.
    """
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(_random_state_kept(model))
        stack.enter_context(_attention_by_parts())
        if "torch._dynamo" in sys.modules:
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        stack.enter_context(_evaluating(model))
        yield


@contextmanager
def _attention_by_parts() -> Iterator[None]:
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    # the flag and not model.eval(): a model may override eval() and train() to do something else
    training = [module for module in model.modules() if module.training]
    try:
        for module in training:
            module.training = False
        yield
    finally:
        for module in training:
            module.training = True


@contextmanager
def _random_state_kept(model: nn.Module) -> Iterator[None]:
    devices = sorted({value.device.index or 0 for value in model.parameters() if value.device.type == "cuda"})
    with torch.random.fork_rng(devices=devices):
        yield


def call(model: nn.Module, inputs: Any) -> Any:
    """The model on a tensor, a tuple of positional inputs or a mapping of named ones."""
    if isinstance(inputs, dict):
        return model(**inputs)
    return model(*inputs) if isinstance(inputs, tuple) else model(inputs)


def mapped(function: Callable[[Tensor], Tensor], inputs: Any) -> Any:
    """The same nest of inputs with the function applied to every tensor in it."""
    if isinstance(inputs, Tensor):
        return function(inputs)
    if isinstance(inputs, dict):
        return {key: mapped(function, value) for key, value in inputs.items()}
    if isinstance(inputs, (tuple, list)):
        return type(inputs)(mapped(function, value) for value in inputs)
    return inputs


def copied(inputs: Any) -> Any:
    """Inputs that a model may change in place and that autograd accepts, also where they are inference tensors."""
    return mapped(lambda tensor: tensor.detach().clone(), inputs)


@dataclass
class Course:
    """What the taps of one pass have in common; apart from the recording, so that no cycle keeps its tensors alive."""

    differentiate: bool
    has_leaf: bool = False
    severed: bool = False
    guards: list[Any] = field(default_factory=list)

    def check(self) -> None:
        """Notice that grad mode is off where a gradient has to pass."""
        self.severed = self.severed or (self.has_leaf and not torch.is_grad_enabled())


class Recording:
    """One pass with its taps: what each saw, and whether the way from the first to the output stayed differentiable."""

    def __init__(self, taps: Sequence[Tap], differentiate: bool) -> None:
        self.course = Course(differentiate)
        self.recorders = {tap: Recorder(tap, self.course) for tap in taps}

    @property
    def severed(self) -> bool:
        """Whether grad mode was found switched off behind a leaf."""
        return self.course.severed

    def points(self) -> dict[Tap, Tensor]:
        """The tensor of every tap at which activation and gradient are taken.

        Raises:
            TapError: a tap never fired, fired more than once, or its tensor was changed through an alias.
        """
        return {tap: recorder.point() for tap, recorder in self.recorders.items()}


class Recorder:
    """The forward hook of one tap."""

    def __init__(self, tap: Tap, course: Course) -> None:
        self._tap = tap
        self._course = course
        self._firings = 0
        self._kept: Tensor | None = None
        self._handed: Tensor | None = None
        self._version = 0

    def __call__(self, module: nn.Module, args: Any, output: Any) -> Any:
        self._firings += 1
        self._leave_inference_mode()
        path, tensor = tensor_at(output, self._tap)
        tensor = tensor.clone() if tensor.is_inference() else tensor
        self._kept = self._cut(tensor) if self._course.differentiate else tensor
        self._version = self._kept._version
        self._handed = self._kept.clone()
        return replaced(output, path, self._handed)

    def _leave_inference_mode(self) -> None:
        """A model may enter inference mode in its own forward; what lies behind the tap has to be outside of it."""
        if torch.is_inference_mode_enabled():
            self._course.guards.append(torch._C._InferenceMode(False))

    def _cut(self, tensor: Tensor) -> Tensor:
        if not tensor.is_floating_point():
            raise TapError(f"layer {self._tap}: expected floating-point numbers to differentiate, got {tensor.dtype}")
        self._course.check()
        if torch.is_grad_enabled() and tensor.requires_grad:
            return tensor
        self._course.has_leaf = True
        torch.set_grad_enabled(True)
        return tensor.detach().requires_grad_()

    def point(self) -> Tensor:
        if self._kept is None or self._handed is None:
            raise TapError(
                f"layer {self._tap} never ran in this forward: is it only used in training, or for other inputs?"
            )
        if self._firings > 1:
            raise TapError(
                f"layer {self._tap} ran {self._firings} times in one forward: expected once; name a module around it"
            )
        if self._tap.at == "consumed":
            return self._handed
        if self._kept._version != self._version:
            raise TapError(
                f"layer {self._tap}: what it returned was changed in place through an alias; "
                f"tap the layer behind it, or '{self._tap}+'"
            )
        return self._kept


@contextmanager
def hooked(model: nn.Module, recording: Recording) -> Iterator[None]:
    """The taps' hooks, for the length of one forward; grad mode and inference mode are afterwards what they were."""
    grad = torch.is_grad_enabled()
    with ExitStack() as stack:
        # restores both modes, and after the guards: a guard dropped goes back to the inference mode it was made in
        stack.enter_context(torch.inference_mode(torch.is_inference_mode_enabled()))
        torch.set_grad_enabled(grad)
        stack.callback(recording.course.guards.clear)
        for tap, recorder in recording.recorders.items():
            handle = model.get_submodule(tap.name).register_forward_hook(recorder)
            stack.callback(handle.remove)
        yield
        recording.course.check()


@contextmanager
def watched(
    model: nn.Module,
    leave: Callable[[str, nn.Module, Any, Any], None],
    enter: Callable[[str, nn.Module, Any], None] | None = None,
) -> Iterator[None]:
    """``enter(name, module, args)`` and ``leave(name, module, args, output)`` around every call of a module in the
    model, for the length of the block."""
    with ExitStack() as stack:
        for name, module in model.named_modules():
            if name and enter is not None:
                stack.callback(module.register_forward_pre_hook(partial(enter, name)).remove)
            if name:
                stack.callback(module.register_forward_hook(partial(leave, name)).remove)
        yield


def has_inference_weights(model: nn.Module) -> bool:
    """Whether parameters or buffers were made in inference mode: autograd cannot save them."""
    return any(value.is_inference() for _, value in _state(model))


def on_detached_weights(model: nn.Module, work: Any) -> Any:
    """Call ``work()`` while the model computes with detached weights; the model's own tensors are in their place again
    afterwards.

    With weights that require no grad, grad mode can be on throughout and the part before the taps still records
    nothing: so a forward
    that switches grad off for a while goes back to "on".
    """
    weights = {
        f"model.{name}": value.clone() if value.is_inference() else value.detach() for name, value in _state(model)
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


def first_tensor(inputs: Any) -> Tensor:
    """The tensor that tells batch size, device and space of the inputs.

    Raises:
        TapError: there is none.
    """
    for _, tensor in tensors_in(inputs):
        return tensor
    raise TapError(f"inputs: expected a tensor, a tuple or a dict of tensors, got {type(inputs).__name__}")


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
