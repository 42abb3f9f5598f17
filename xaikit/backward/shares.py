"""Rules of layer-wise relevance propagation for linear layers, z = W x + b.

Relevance is kept as a gradient g, of which R = z g: so what is not linear, and what adds, needs no rule of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import Node

from xaikit._numeric import exact
from xaikit.backward.graph import ModuleCall
from xaikit.backward.operations import operation
from xaikit.backward.rules import Gradients
from xaikit.needs import LinearRule

OPERAND = {"Convolution": 0, "Addmm": 1, "Mm": 0, "Bmm": 0}
"""The place of x among the operands of a linear layer."""


@dataclass(frozen=True)
class LinearShare:
    """How a linear layer hands relevance on.

    moves          the nodes between the layer and the model's input where that is its input, if they put zeros around it, the
                   last first: then what is handed on is relevance, and no gradient; None for all other layers
    call           of its module
    normalization  the batch normalization behind it, which is a part of it, and its module
    """

    rule: LinearRule
    moves: tuple[Node, ...] | None
    call: ModuleCall = field(compare=False)
    normalization: tuple[Node, ModuleCall] | None = field(default=None, compare=False)

    def __call__(self, node: Node, inner: Gradients, outer: Gradients) -> Gradients:
        place = OPERAND[operation(node)]
        gradient, before = outer[0], inner[place]
        if gradient is None or before is None:
            return inner
        layer = _Convolution(node) if operation(node) == "Convolution" else _Dense(node, self.call)
        weight, bias = layer.weight, layer.bias(self.call)
        if self.normalization is not None:
            weight, bias = _folded(weight, bias, *self.normalization)
        shared = _Sharing(self.rule, layer, layer.received, weight, bias)
        gradient = exact(gradient)
        passed = shared.gradient(gradient) if self.moves is None else shared.relevance(gradient, self.moves)
        return tuple(
            passed.to(one.dtype) if spot == place and one is not None else one for spot, one in enumerate(inner)
        )


@dataclass(frozen=True)
class PassedOn:
    """The gradients of the result: of a normalization that is a part of the layer before it."""

    def __call__(self, node: Node, inner: Gradients, outer: Gradients) -> Gradients:
        return (outer[0], *inner[1:])


class _Convolution:
    """A convolution as an operation of x and its weight."""

    def __init__(self, node: Any) -> None:
        self._node = node
        self.received, self.weight = exact(node._saved_input), exact(node._saved_weight)
        shape = (node._saved_stride, node._saved_padding, node._saved_dilation, node._saved_transposed)
        self._shape = (*map(_signed, shape[:3]), shape[3], _signed(node._saved_output_padding), node._saved_groups)

    def bias(self, call: ModuleCall) -> Tensor | None:
        """b of the module; None where the operation has none."""
        bias: Any = call.module.bias if is_added(self._node) else None
        return None if bias is None else exact(bias.detach())

    def given(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """W x + b"""
        z: Tensor = torch.ops.aten.convolution(x, weight, bias, *self._shape)
        return z

    def back(self, shares: Tensor, weight: Tensor) -> Tensor:
        """W^T s"""
        like, mask = self.received, [True, False, False]
        back: Tensor = torch.ops.aten.convolution_backward(shares, like, weight, None, *self._shape, mask)[0]
        return back


def is_added(node: Any) -> bool:
    """Whether a convolution adds a bias."""
    return any(node._saved_bias_sym_sizes_opt or ())  # (0,) where there is none


def _signed(sizes: Any) -> list[int]:
    return [int(size) for size in sizes]


class _Dense:
    """A product of matrices, (..., rows, inputs) with (..., inputs, outputs), the latter the same for all."""

    def __init__(self, node: Any, call: ModuleCall) -> None:
        assert call.received is not None
        matrices = exact(node._saved_mat2)
        self.weight = (matrices if matrices.dim() == 2 else matrices[0]).mT
        self.received = exact(call.received).reshape(*matrices.shape[:-2], -1, matrices.shape[-2])

    def bias(self, call: ModuleCall) -> Tensor | None:
        """b of the module, also where an operation of its own adds it: that hands the gradient on as it is."""
        bias: Any = call.module.bias
        return None if bias is None else exact(bias.detach())

    @staticmethod
    def given(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """W x + b"""
        return x @ weight.mT if bias is None else x @ weight.mT + bias

    @staticmethod
    def back(shares: Tensor, weight: Tensor) -> Tensor:
        """W^T s"""
        return shares @ weight


def _folded(weight: Tensor, bias: Tensor | None, node: Any, call: ModuleCall) -> tuple[Tensor, Tensor]:
    """Weight and bias of a layer and the batch normalization behind it as one layer."""
    eps: Any = call.module.eps  # nodes of devices have other names for it
    scale = (exact(node._saved_running_var) + eps).rsqrt()
    if node._saved_weight is not None:
        scale = scale * exact(node._saved_weight.detach())
    shift = -exact(node._saved_running_mean) * scale
    if isinstance(call.module.bias, Tensor):
        shift = shift + exact(call.module.bias.detach())
    scaled = weight * scale.reshape(-1, *[1] * (weight.dim() - 1))
    return scaled, shift if bias is None else bias * scale + shift


@dataclass
class _Sharing:
    """One layer with what it was given, and the rule."""

    rule: LinearRule
    layer: _Convolution | _Dense
    x: Tensor
    weight: Tensor
    bias: Tensor | None

    def gradient(self, gradient: Tensor) -> Tensor:
        """g of x, of which x g is its relevance, from that of z."""
        z = self.layer.given(self.x, self.weight, self.bias)
        relevance = z * gradient
        if self.rule.share == "epsilon":
            shares = self._stable(relevance, z) if self.rule.epsilon else gradient  # R / z, also where z is 0
            return self.layer.back(shares, self.weight)
        if self.rule.share == "gamma":
            return self._gamma(z, relevance)
        return self._alpha_beta(relevance)

    def relevance(self, gradient: Tensor, moves: Sequence[Node]) -> Tensor:
        """R of x from g of z; what is padding is no pixel and has none."""
        relevance = self.layer.given(self.x, self.weight, self.bias) * gradient
        pixels = _pixels(self.x, moves)
        if self.rule.share == "box":
            return self._box(relevance, pixels)
        if self.rule.share == "flat":
            return self._of_ones(pixels, torch.ones_like(self.weight), None, relevance)
        if self.rule.share == "wsquare":
            squared = None if self.bias is None else self.bias.square()
            return self._of_ones(pixels, self.weight.square(), squared, relevance)
        return self.x * self.gradient(gradient)

    def _stable(self, relevance: Tensor, total: Tensor) -> Tensor:
        """R / d, with epsilon of its sign added to d."""
        return relevance / (total + torch.where(total < 0, -self.rule.epsilon, self.rule.epsilon))

    def _gamma(self, z: Tensor, relevance: Tensor) -> Tensor:
        gamma = self.rule.gamma
        more, less = _each(
            self.weight, self.bias, lambda one: (one + gamma * one.clamp(min=0), one + gamma * one.clamp(max=0))
        )
        up = self._two_sided(more, less, torch.where(z > 0, relevance, 0))
        down = self._two_sided(less, more, torch.where(z < 0, relevance, 0))
        return up + down

    def _alpha_beta(self, relevance: Tensor) -> Tensor:
        more, less = _each(self.weight, self.bias, lambda one: (one.clamp(min=0), one.clamp(max=0)))
        up = self.rule.alpha * self._two_sided(more, less, relevance)
        return up if self.rule.beta == 0 else up - self.rule.beta * self._two_sided(less, more, relevance)

    def _two_sided(self, one: _Weights, other: _Weights, relevance: Tensor) -> Tensor:
        """The gradient where positive inputs have one kind of weights, with a bias, and negative ones another."""
        layer, positive, negative = self.layer, self.x.clamp(min=0), self.x.clamp(max=0)
        total = layer.given(positive, *one) + layer.given(negative, other[0])
        shares = self._stable(relevance, total)
        return torch.where(self.x < 0, layer.back(shares, other[0]), layer.back(shares, one[0]))

    def _box(self, relevance: Tensor, pixels: Tensor) -> Tensor:
        layer, low, high = self.layer, self.rule.low * pixels, self.rule.high * pixels
        sides = ((self.x, self.weight), (-low, self.weight.clamp(min=0)), (-high, self.weight.clamp(max=0)))
        shares = self._stable(relevance, torch.stack([layer.given(x, weight) for x, weight in sides]).sum(0))
        return torch.stack([x * layer.back(shares, weight) for x, weight in sides]).sum(0)

    def _of_ones(self, pixels: Tensor, weight: Tensor, bias: Tensor | None, relevance: Tensor) -> Tensor:
        shares = self._stable(relevance, self.layer.given(pixels, weight, bias))
        return pixels * self.layer.back(shares, weight)


def _pixels(x: Tensor, moves: Sequence[Node]) -> Tensor:
    """1 where a value of x is one of the model's input, 0 where it is padding."""
    if not moves:
        return torch.ones_like(x)
    places: Any = torch.arange(1, x.numel() + 1, device=x.device).view(x.shape)
    move: Any  # typed without its call
    for move in moves:  # backwards they hand each pixel the place where it went; 0 where it was cut off
        if operation(move) != "ToCopy":  # a number of few digits holds no place
            places = move(places)
    return x.new_zeros(x.numel() + 1).index_fill(0, places.flatten(), 1)[1:].view(x.shape)


_Weights = tuple[Tensor, Tensor | None]


def _each(
    weight: Tensor, bias: Tensor | None, split: Callable[[Tensor], tuple[Tensor, Tensor]]
) -> tuple[_Weights, _Weights]:
    weights, biases = split(weight), (None, None) if bias is None else split(bias)
    return (weights[0], biases[0]), (weights[1], biases[1])
