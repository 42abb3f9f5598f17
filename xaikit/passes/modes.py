"""What modules are in while a pass lasts: evaluation mode, or the mode that they are in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Literal

from torch import nn

Mode = Literal["eval", "as_is"]


@contextmanager
def switched(modules: Sequence[nn.Module], mode: Mode) -> Iterator[None]:
    """All modules in evaluation mode, or as they are."""
    with ExitStack() as stack:
        for module in modules:
            if module.training and mode == "eval":
                # the flag and not model.eval(): a model may override eval() and train() to do something else
                _set(stack, module, "training", False)
        for module in modules:
            if isinstance(module, nn.RNNBase) and not module.training and _is_on_cuda(module):
                # cuDNN has no gradient of an RNN that evaluates; one that trains without dropout is the same function
                _set(stack, module, "training", True)
                _set(stack, module, "dropout", 0.0)
        yield


def _set(stack: ExitStack, module: nn.Module, name: str, value: object) -> None:
    stack.callback(setattr, module, name, getattr(module, name))
    setattr(module, name, value)


def _is_on_cuda(module: nn.Module) -> bool:
    return any(value.is_cuda for value in module.parameters())


def trained_inside(model: nn.Module) -> list[str]:
    """The modules that train inside a model that evaluates, by name: somebody has left them so on purpose."""
    if model.training:
        return []
    return [
        name
        for name, module in model.named_modules()
        # of quantized modules, which are made in training mode, no one does anything else there
        if module.training and not any(module.children()) and ".quantized" not in type(module).__module__
    ]
