"""The only place that hooks a module: the hooks of taps, and the cut that makes what they record differentiable."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from xaikit.errors import TapError
from xaikit.evidence.taps import Tap, tensors_at
from xaikit.passes.modules import is_compiled, module_at, plain_name
from xaikit.passes.nests import Path, replaced, tensors_in

Key = TypeVar("Key")


_blocks: ContextVar[tuple[object, ...]] = ContextVar("blocks", default=())
"""The blocks of :func:`hooked` that this thread, or this task of asyncio, is inside of."""


_guards: ContextVar[list[Any]] = ContextVar("guards")
"""What holds off inference mode in a forward. Not in an object that a hook leads to: a copy of it would act, too."""


@contextmanager
def hooked(
    modules: Iterable[tuple[Key, nn.Module]],
    leave: Callable[[Key, nn.Module, Any, Any], Any],
    enter: Callable[[Key, nn.Module, Any], None] | None = None,
    given: Callable[[Key], bool] = lambda key: False,
) -> Iterator[None]:
    """``enter(key, module, args)`` and ``leave(key, module, args, output)`` around every call of these modules, for the
    length of the block; what ``leave`` returns takes the place of the output, unless it is None. Of keys for which ``given``
    is true, ``leave`` comes before the call, with what the module is given, (args, kwargs), as the output.

    They act inside the block alone: not in another thread that runs the model, and not in a copy of the model.
    """
    block = object()
    with ExitStack() as stack:
        for key, module in modules:
            if given(key):
                hook = _Hook(partial(_before, partial(leave, key)), module, block)
                stack.callback(module.register_forward_pre_hook(hook, with_kwargs=True).remove)
                continue
            if enter is not None:
                stack.callback(module.register_forward_pre_hook(_Hook(partial(enter, key), module, block)).remove)
            stack.callback(module.register_forward_hook(_Hook(partial(leave, key), module, block)).remove)
        stack.callback(_blocks.reset, _blocks.set((*_blocks.get(), block)))
        yield


def _before(leave: Callable[[nn.Module, Any, Any], Any], module: nn.Module, args: Any, kwargs: Any) -> Any:
    return leave(module, args, (args, kwargs))


class _Hook:
    """A function that acts on one module and in one block."""

    def __init__(self, function: Callable[..., Any], module: nn.Module, block: object) -> None:
        self._function = function
        self._module = module
        self._block = block

    def __call__(self, module: nn.Module, *args: Any) -> Any:
        if module is self._module and self._block in _blocks.get():
            return self._function(module, *args)
        return None

    def __deepcopy__(self, memo: Any) -> _CopiedHook:
        return _CopiedHook()

    def __reduce__(self) -> Any:
        """What is pickled does nothing, and needs nothing but the standard library."""
        return getattr, (nullcontext(), "__exit__")


class _CopiedHook:
    """What a hook becomes where a model copies itself in its forward: it does nothing, and goes when it is called."""

    def __call__(self, module: nn.Module, *args: Any) -> None:
        for hooks in (module._forward_pre_hooks, module._forward_hooks):
            for key in [key for key, hook in hooks.items() if isinstance(hook, _CopiedHook)]:
                del hooks[key]

    __reduce__ = _Hook.__reduce__


_NEVER_CALLED = nn.modules.linear.NonDynamicallyQuantizableLinear
"""A part of ``nn.MultiheadAttention`` that only lends its weights: a copy of a hook there would never end."""


def named(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The modules inside a model by their plain names, the wrappers of compiled ones left out."""
    for name, module in model.named_modules():
        if plain_name(name) and not is_compiled(module) and not isinstance(module, _NEVER_CALLED):
            yield plain_name(name), module


class StopForward(BaseException):
    """Raised out of a forward whose taps have all fired, where nothing behind them is needed.

    Not an Exception: a model's own ``except Exception`` must not swallow it.
    """


@dataclass
class Cut:
    """What the evidence of one pass has in common; apart from the recording, so that no cycle keeps its tensors alive.

    waiting  taps that have not fired, where the forward may stop behind the last one; else None
    has_leaf whether a tensor of the pass was made a leaf
    severed  whether grad mode was found switched off behind a leaf
    """

    differentiate: bool
    waiting: set[Tap] | None = None
    has_leaf: bool = False
    severed: bool = False

    @contextmanager
    def modes(self, grad: bool) -> Iterator[None]:
        """Grad mode for the length of one forward; it and inference mode are afterwards what they were."""
        guards: list[Any] = []
        token = _guards.set(guards)
        with torch.inference_mode(torch.is_inference_mode_enabled()):
            torch.set_grad_enabled(grad)
            try:
                yield
            finally:
                # before the mode around them: a guard dropped goes back to the inference mode it was made in
                guards.clear()
                _guards.reset(token)

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
            _guards.get().append(torch._C._InferenceMode(False))

    def point(self, tensor: Tensor, where: object) -> Tensor:
        """The tensor, or a leaf in its place where nothing has required grad so far; grad is on from there.

        Args:
            where: names the tensor in errors.
        """
        _check_whole(tensor, where)
        if not tensor.is_floating_point():
            raise TapError(f"layer {where}: expected floating-point numbers to differentiate, got {tensor.dtype}")
        self.check()
        if torch.is_grad_enabled() and tensor.requires_grad:
            return tensor
        self.has_leaf = True
        torch.set_grad_enabled(True)
        return tensor.detach().requires_grad_()


def _check_whole(tensor: Tensor, where: object) -> None:
    if torch._C._functorch.is_functorch_wrapped_tensor(tensor):
        raise TapError(
            f"layer {where}: expected what it returns for the batch, got one sample's inside torch.func.vmap, or what another "
            "transform of torch.func hands it; name a layer outside"
        )


Substitute = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class TappedTensor:
    """A tensor at a tap: the way to it in what the module returned, at which of its calls, and the gradient there.

    gradient  of the scores, (T, *tensor); None where none was taken, or the scores do not depend on it
    """

    path: Path
    turn: int
    tensor: Tensor
    gradient: Tensor | None = None


@dataclass(frozen=True)
class _HandedOn:
    """One tensor as the hook recorded it, its version then, and the clone that was handed on."""

    path: Path
    tensor: Tensor
    version: int
    clone: Tensor


class TapRecorder:
    """The forward hook of one tap."""

    def __init__(self, tap: Tap, cut: Cut, substitute: Substitute | None = None) -> None:
        self._tap = tap
        self._cut = cut
        self._substitute = substitute
        self._firings = 0
        self._recorded: list[_HandedOn] = []

    @property
    def is_given(self) -> bool:
        """Whether it records what the model is given."""
        return self._tap.is_given

    def leave(self, module: nn.Module, args: Any, output: Any) -> Any:
        """The module has ended: record its tensors, and hand on clones of them."""
        self._firings += 1
        if self._tap.turn and self._firings != self._tap.turn:
            return None
        self._cut.leave_inference_mode()
        self._recorded = [self._record(path, tensor) for path, tensor in tensors_at(output, self._tap)]
        try:
            for one in self._recorded:
                output = replaced(output, one.path, one.clone)
        except TapError as error:
            raise TapError(f"layer {self._tap}: {error}") from None
        self._cut.fired(self._tap)
        return output

    def _record(self, path: Path, tensor: Tensor) -> _HandedOn:
        _check_whole(tensor, self._tap)
        tensor = tensor.clone() if tensor.is_inference() else tensor
        tensor = tensor if self._substitute is None else self._substitute(tensor)
        tensor = self._cut.point(tensor, self._tap) if self._cut.differentiate else tensor
        return _HandedOn(path, tensor, tensor._version, tensor.clone())

    def points(self) -> list[TappedTensor]:
        """What was recorded in the forward that has ended.

        Raises:
            TapError: the tap never fired, fired more than once, or its tensor was changed through an alias.
        """
        if not self._recorded and self._firings:
            raise TapError(
                f"layer {self._tap} ran {self._firings} times in this forward: expected {self._tap.turn} or more"
            )
        if not self._recorded:
            raise TapError(
                f"layer {self._tap} never ran in this forward: is it only used in training, or for other inputs?"
            )
        if self._firings > 1 and self._tap.call == "only":
            raise TapError(
                f"layer {self._tap} ran {self._firings} times in one forward: expected once; name a module around it, "
                f"or the call: '{self._tap.name}@first', '{self._tap.name}@last' or one by number, '{self._tap.name}@2'"
            )
        return [TappedTensor(one.path, self._tap.turn or self._firings, self._at(one)) for one in self._recorded]

    def _at(self, one: _HandedOn) -> Tensor:
        if self._tap.at == "consumed":
            return one.clone
        if one.tensor._version != one.version:
            raise TapError(
                f"layer {self._tap}: what it returned was changed in place through an alias; "
                f"tap the layer behind it, or '{self._tap}+'"
            )
        return one.tensor


def substituted(
    model: nn.Module, tap: Tap, path: Path, turn: int, substitute: Substitute
) -> AbstractContextManager[None]:
    """While the block lasts, one tensor that the tap's module returns at one of its calls is another."""
    turns = count(1)

    def leave(tap: Tap, module: nn.Module, args: Any, output: Any) -> Any:
        if next(turns) != turn:
            return None
        (original,) = [tensor for place, tensor in tensors_in(output) if place == path]
        return replaced(output, path, substitute(original))

    return hooked([(tap, module_of(model, tap))], leave, given=_is_given)


def module_of(model: nn.Module, tap: Tap) -> nn.Module:
    """The module that a tap is hooked at."""
    return model if tap.is_given else module_at(model, tap.name)


def _is_given(tap: Tap) -> bool:
    return tap.is_given
