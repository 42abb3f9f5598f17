"""Attention that mixes nothing, so that what lies behind it still depends on each token for itself."""

from __future__ import annotations

import sys
from types import FrameType, FunctionType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

_SOFTMAX = (functional.softmax, torch.softmax, Tensor.softmax)
_PRODUCT = (torch.matmul, torch.bmm, Tensor.matmul, Tensor.bmm, Tensor.__matmul__)


_ATTENDING = {
    *_SOFTMAX,
    *_PRODUCT,
    functional.scaled_dot_product_attention,
    functional.multi_head_attention_forward,
}


def _caller() -> nn.Module | None:
    """The innermost module that is being called."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code is not nn.Module._call_impl.__code__:
        frame = frame.f_back
    return None if frame is None else frame.f_locals["self"]


class LocalAttention(TorchFunctionMode):
    """Every token attends to itself alone; where keys are other tokens than the queries, what it gets is made of its query.
    Grad mode stays as it is, whatever the model does to it: it is to be seen what tensors were made of.

    Args:
        model: whose modules attend so; a copy of it that runs inside its forward attends as ever.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self._modules = {id(module) for module in model.modules()}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch._C._set_grad_enabled:
            return None
        if func in _ATTENDING and id(_caller()) not in self._modules:
            return func(*args, **kwargs)
        if func is functional.scaled_dot_product_attention:
            return _attended(*args, **kwargs)
        if func is functional.multi_head_attention_forward:
            with self:
                return unguarded(func)(*args, **kwargs)
        if func in _PRODUCT and _mixes(*args[:2]):
            return _by_row(args[0], args[1].shape[-1])
        result = func(*args, **kwargs)
        if func in _SOFTMAX and _is_attention(result, kwargs.get("dim", args[1] if len(args) > 1 else None)):
            # of one row alone it is made of its query already, and a softmax of that would be constant
            return _identity(result) if result.shape[-1] == result.shape[-2] else args[0]
        return result


def _attended(query: Tensor, key: Tensor, value: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    if query.shape[-2] != key.shape[-2]:
        return _by_row(query, value.shape[-1])
    return repeated(value, query.shape[-3]) if query.dim() > 3 else value.clone()


def _mixes(*tensors: Tensor) -> bool:
    """Whether a product is one of activations, as queries with keys; other factors are weights, or the identity below."""
    return len(tensors) == 2 and all(one.dim() >= 3 and one.requires_grad for one in tensors)


def _by_row(tensor: Tensor, size: int) -> Tensor:
    """(..., size), every row made of the same row of the tensor."""
    return tensor.sum(-1, keepdim=True).expand(*tensor.shape[:-1], size).clone()  # what comes may change it in place


def _is_attention(probabilities: Tensor, dim: int | None) -> bool:
    """Whether it is (..., queries, keys): a softmax over the last axis of at least three."""
    return probabilities.dim() >= 3 and dim in (-1, probabilities.dim() - 1)


def _identity(probabilities: Tensor) -> Tensor:
    identity = torch.eye(probabilities.shape[-1], dtype=probabilities.dtype, device=probabilities.device)
    return identity.expand_as(probabilities).clone()


def repeated(tensor: Tensor, heads: int) -> Tensor:
    """Of grouped queries, the head that each shares."""
    is_grouped = tensor.dim() > 3 and tensor.shape[-3] < heads
    return tensor.repeat_interleave(heads // tensor.shape[-3], -3) if is_grouped else tensor


def unguarded(function: Any) -> Any:
    """The code of a function of torch, which does not hand itself over to the mode again."""
    names = {**function.__globals__, "has_torch_function": lambda *_: False}
    copy = FunctionType(function.__code__, names, function.__name__, function.__defaults__, function.__closure__)
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy
