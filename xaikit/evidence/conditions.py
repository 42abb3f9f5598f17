"""The conditions of a pass: which models can be explained, and what is switched for its length and back again."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

import torch
import torch.fx
from torch import nn
from torch.nn.parallel import DataParallel, DistributedDataParallel
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode

from xaikit.errors import TapError
from xaikit.passes.buffers import kept
from xaikit.passes.draws import drawing_apart
from xaikit.passes.locks import ProcessSwitch, queued
from xaikit.passes.modes import Mode, switched
from xaikit.passes.modules import inside_compiled, is_compiled
from xaikit.passes.weights import state_of

T = TypeVar("T")


@contextmanager
def undisturbed(model: nn.Module, mode: Mode = "eval") -> Iterator[None]:
    """Conditions of a pass, all of them undone afterwards, also when it raises.

    Evaluation mode for every module, or the mode that each is in; no inference mode; attention computed the
    differentiable way, so that a map alone and the same map beside others come from the same kernels; compiled code run
    eagerly, so that hooks fire; the global random state and the buffers kept; and no other thread explains the model
    meanwhile.
    """
    modes = _autograd_modes()
    modules = list(model.modules())
    with ExitStack() as stack:
        stack.enter_context(queued(modules))
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(drawing_apart(model, mode))
        if any(isinstance(module, _ATTENDING) for module in modules):
            stack.enter_context(_NoFastPath())
        if "torch._dynamo" in sys.modules:
            stack.enter_context(_eagerly.held())
        stack.enter_context(kept(model, modules, mode))
        stack.enter_context(switched(modules, mode))
        yield
    assert _autograd_modes() == modes, "grad mode or inference mode was left behind"


def _autograd_modes() -> tuple[bool, bool]:
    return torch.is_grad_enabled(), torch.is_inference_mode_enabled()


_eagerly = ProcessSwitch(lambda: torch.compiler.set_stance("force_eager"))


_ATTENDING = (nn.MultiheadAttention, nn.TransformerEncoderLayer, nn.TransformerEncoder)


class _NoFastPath(TorchFunctionMode):
    """Does nothing, and is why torch's attention leaves its fast path: in this thread alone, as the switch for it
    (``torch.backends.mha``) would not."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


def unwrapped(model: Any) -> nn.Module:
    """The model inside the wrappers of data parallelism and of ``torch.compile``; layer names are those of it.

    Raises:
        TapError: it is no module of Python code, or has no weights yet; the message says what to explain instead.
    """
    while isinstance(model, (DataParallel, DistributedDataParallel)) or is_compiled(model):
        model = inside_compiled(model) if is_compiled(model) else model.module
    if not isinstance(model, nn.Module):
        raise TapError(
            f"model: expected a torch.nn.Module, got {type(model).__name__}; of an exported program, explain the "
            "module that it was exported from"
        )
    if _is_exported(model):
        raise TapError(
            "model: expected Python modules, but it is exported: explain the module that it was exported from"
        )
    for name, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule):
            which = f"the submodule {name} is" if name else "it is"
            raise TapError(
                f"model: expected Python modules, but {which} scripted or traced, where hooks do not run; explain the "
                "model that it was made from"
            )
    for name, value in state_of(model):
        if is_lazy(value):
            raise TapError(f"model: {name} has no shape yet, as of a lazy module: run the model once on an input first")
        if value.is_meta:
            raise TapError(f"model: {name} is on the meta device and has no values: load the weights first")
    return model


def _is_exported(model: nn.Module) -> bool:
    """Whether it is the graph of an exported program: its layers are gone."""
    if not isinstance(model, torch.fx.GraphModule):
        return False
    return any(isinstance(node.target, torch._ops.OpOverload) for node in model.graph.nodes)
