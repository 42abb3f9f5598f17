"""The conditions of a pass: which models can be explained, and what is switched for its length and back again."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

import torch
import torch.fx
from torch import Tensor, nn
from torch.nn.parallel import DataParallel, DistributedDataParallel

from xaikit.draws import global_draws
from xaikit.errors import TapError

T = TypeVar("T")


@contextmanager
def undisturbed(model: nn.Module) -> Iterator[None]:
    """Conditions of a pass, all of them undone afterwards, also when it raises.

    Evaluation mode for every module; no inference mode; attention computed the differentiable way, so that a map
    alone and the same map beside others come from the same kernels; compiled code run eagerly, so that hooks fire;
    the global random state kept.
    """
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        devices = sorted({value.device.index or 0 for value in model.parameters() if value.device.type == "cuda"})
        stack.enter_context(global_draws(devices=devices))
        stack.callback(torch.backends.mha.set_fastpath_enabled, torch.backends.mha.get_fastpath_enabled())
        torch.backends.mha.set_fastpath_enabled(False)
        if "torch._dynamo" in sys.modules:
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        # the flag and not model.eval(): a model may override eval() and train() to do something else
        for module in [module for module in model.modules() if module.training]:
            stack.callback(setattr, module, "training", True)
            module.training = False
        yield


def unwrapped(model: Any) -> nn.Module:
    """The model inside the wrappers of data parallelism and of ``torch.compile``; layer names are those of it.

    Raises:
        TapError: it is no module of Python code, or has no weights yet; the message says what to explain instead.
    """
    while isinstance(model, (DataParallel, DistributedDataParallel)) or hasattr(model, "_orig_mod"):
        model = model.module if isinstance(model, (DataParallel, DistributedDataParallel)) else model._orig_mod
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
    for name, value in _state(model):
        if value.is_meta:
            raise TapError(f"model: {name} is on the meta device and has no values: load the weights first")
    return model


def _is_exported(model: nn.Module) -> bool:
    """Whether it is the graph of an exported program: its layers are gone."""
    if not isinstance(model, torch.fx.GraphModule):
        return False
    return any(isinstance(node.target, torch._ops.OpOverload) for node in model.graph.nodes)


def attempt(model: nn.Module, work: Callable[[bool], T | None]) -> T:
    """``work(grad=False)``: a pass that records nothing before its taps, on the model's own weights where they are usable.

    Where that gives None, as where a forward switched grad off on the way, ``work(grad=True)`` on detached weights.
    """
    result = on_usable_weights(model, lambda: work(False))
    if result is None:
        result = on_detached_weights(model, lambda: work(True))
    assert result is not None  # there is no third attempt
    return result


def on_usable_weights(model: nn.Module, work: Callable[[], T]) -> T:
    """Call ``work()``; on detached weights where some were made in inference mode, as autograd cannot save those."""
    return on_detached_weights(model, work) if has_inference_weights(model) else work()


def has_inference_weights(model: nn.Module) -> bool:
    """Whether parameters or buffers were made in inference mode."""
    return any(value.is_inference() for _, value in _state(model))


def on_detached_weights(model: nn.Module, work: Callable[[], T]) -> T:
    """Call ``work()`` while the model computes with detached weights; the model's own tensors are in their place again
    afterwards.

    With weights that require no grad, grad mode can be on throughout and the part before the taps still records nothing:
    so a forward that switches grad off for a while goes back to "on".
    """
    weights = {
        f"model.{name}": value.detach().clone() if value.is_inference() else value.detach()
        for name, value in _state(model)
    }
    result: T = torch.func.functional_call(_Host(model), weights, (work,))
    return result


class _Host(nn.Module):
    """What ``functional_call`` calls: the model is its child, the work its argument."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, work: Any) -> Any:
        return work()


def _state(model: nn.Module) -> list[tuple[str, Tensor]]:
    return [*model.named_parameters(), *model.named_buffers()]
