"""Rules in place of derivatives, each a value that is called with what a node of the graph was given and gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.autograd.graph import Node
from torch.nn import functional

from xaikit._numeric import exact
from xaikit.backward.operations import operation

Gradients = tuple[Tensor | None, ...]

Rule = Callable[[Node, Gradients, Gradients], Gradients]
"""From a node, what its derivative makes of the gradients at its results, and these, to the gradients at its operands."""


_FUNCTIONS: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "Gelu": lambda node, x: functional.gelu(x, approximate=node._saved_approximate),
    "Silu": lambda node, x: functional.silu(x),
    "Mish": lambda node, x: functional.mish(x),
    "Hardswish": lambda node, x: functional.hardswish(x),
    "Hardtanh": lambda node, x: x.clamp(node._saved_min_val, node._saved_max_val),
    "Softplus": lambda node, x: functional.softplus(x, node._saved_beta, node._saved_threshold),
    "LogSigmoid": lambda node, x: functional.logsigmoid(x),
    "Celu": lambda node, x: functional.celu(x, node._saved_alpha),
    "Elu": lambda node, x: torch.ops.aten.elu(x, node._saved_alpha, node._saved_scale, node._saved_input_scale),
}


@dataclass(frozen=True)
class Shares:
    """The derivative, times a number for each operand; 0: nothing goes there."""

    factors: tuple[float, ...]

    def __call__(self, node: Node, inner: Gradients, outer: Gradients) -> Gradients:
        return tuple(map(_times, inner, self.factors))


def _times(gradient: Tensor | None, factor: float) -> Tensor | None:
    if gradient is None or factor == 0:
        return None
    return gradient if factor == 1 else gradient * factor


@dataclass(frozen=True)
class Gate:
    """f(x) = f(0) + ((f(x) - f(0)) / x) x: the bracket is a constant that x is multiplied by, f(0) is a bias."""

    FUNCTIONS: ClassVar[Mapping[str, Callable[[Any, Tensor], Tensor]]] = _FUNCTIONS

    @classmethod
    def serves(cls, node: Any, name: str) -> bool:
        """Whether f is known, and x is kept."""
        return name in cls.FUNCTIONS and hasattr(
            type(node), "_saved_self"
        )  # of the type: to read it may compute it again

    def __call__(self, node: Any, inner: Gradients, outer: Gradients) -> Gradients:
        return _at_first(inner, outer, lambda gradient: gradient * _secant(node))


@dataclass(frozen=True)
class GatedHalf:
    """Of a sigmoid of one half, which is a constant that the other half is multiplied by."""

    def __call__(self, node: Any, inner: Gradients, outer: Gradients) -> Gradients:
        if inner[0] is None:
            return inner
        multiplied, gate = inner[0].chunk(2, node._saved_dim)
        return (torch.cat([multiplied, torch.zeros_like(gate)], node._saved_dim),)


def _secant(node: Any) -> Tensor:
    """(f(x) - f(0)) / x, and the slope where that is none."""
    x, function = exact(node._saved_self), Gate.FUNCTIONS[operation(node)]
    step = torch.finfo(x.dtype).eps ** (1 / 3)
    # on the CPU: a device would be waited for
    below, zero, above = function(node, torch.tensor([-step, 0.0, step], dtype=x.dtype)).tolist()
    # where f(0) = 0 the quotient is exact next to zero; elsewhere it would cancel
    close = x == 0 if zero == 0 else x.abs() < step
    return torch.where(close, (above - below) / (2 * step), (function(node, x) - zero) / torch.where(close, 1, x))


@dataclass(frozen=True)
class PositiveGradients:
    """What is positive of the gradient behind a ReLU.

    everywhere  also where the ReLU gave nothing
    """

    everywhere: bool

    def __call__(self, node: Node, inner: Gradients, outer: Gradients) -> Gradients:
        gradient = outer[0] if self.everywhere else inner[0]
        return (None if gradient is None else gradient.clamp_min(0),)


@dataclass(frozen=True)
class ConstantScale:
    """y = w (x - mean x) / scale + b, the scale taken for a constant."""

    @staticmethod
    def serves(node: Any, name: str) -> bool:
        """Whether the node normalizes by what it is given."""
        return name in _NORMALIZATIONS and getattr(node, "_saved_training", True)

    def __call__(self, node: Any, inner: Gradients, outer: Gradients) -> Gradients:
        return _at_first(inner, outer, lambda gradient: _NORMALIZATIONS[operation(node)](node, gradient))


def _layer_norm(node: Any, gradient: Tensor) -> Tensor:
    weighed = gradient if node._saved_weight is None else gradient * exact(node._saved_weight)
    dims = tuple(range(-len(node._saved_normalized_shape), 0))
    return (weighed - weighed.mean(dims, keepdim=True)) * exact(node._saved_result2)


def _rms_norm(node: Any, gradient: Tensor) -> Tensor:
    weighed = gradient if node._saved_weight is None else gradient * exact(node._saved_weight)
    return weighed * exact(node._saved_result1)


def _group_norm(node: Any, gradient: Tensor) -> Tensor:
    weight = node._saved_weight
    weighed = gradient if weight is None else gradient * _by_channel(weight, gradient)
    grouped = weighed.reshape(len(gradient), node._saved_group, -1)
    centred = (grouped - grouped.mean(-1, keepdim=True)) * exact(node._saved_result2).reshape(len(gradient), -1, 1)
    return centred.reshape(gradient.shape)


def _batch_norm(node: Any, gradient: Tensor) -> Tensor:
    weight = node._saved_weight
    weighed = gradient if weight is None else gradient * _by_channel(weight, gradient)
    dims = (0, *range(2, gradient.dim()))
    return (weighed - weighed.mean(dims, keepdim=True)) * _by_channel(node._saved_result2, gradient)


def _by_channel(values: Tensor, like: Tensor) -> Tensor:
    return exact(values).reshape(1, -1, *[1] * (like.dim() - 2))


_NORMALIZATIONS: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "NativeLayerNorm": _layer_norm,
    "FusedRmsNorm": _rms_norm,
    "NativeGroupNorm": _group_norm,
    "NativeBatchNorm": _batch_norm,
    "CudnnBatchNorm": _batch_norm,
    "MiopenBatchNorm": _batch_norm,
}


def _at_first(inner: Gradients, outer: Gradients, rule: Callable[[Tensor], Tensor]) -> Gradients:
    """A rule for the first operand; computed in float32 at least."""
    if inner[0] is None or outer[0] is None:
        return inner
    return (rule(exact(outer[0])).to(inner[0].dtype), *inner[1:])
