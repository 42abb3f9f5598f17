"""The Rescale rule of single operations: the operation itself, with multipliers in place of its derivative.

Of one value (Shrikumar et al. 2017, arXiv:1704.02685, Eq. 10) the multiplier is (out - out') / (in - in'). Of a maximum, for
which they state no rule, the place of the larger one of both passes has all of the difference, as in Captum.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

RELUS = {functional.relu, functional.relu_, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_}
ACTIVATIONS = RELUS | {
    *(
        functional.celu,
        functional.elu,
        functional.gelu,
        functional.hardshrink,
        functional.hardsigmoid,
        functional.hardswish,
    ),
    *(
        functional.hardtanh,
        functional.leaky_relu,
        functional.logsigmoid,
        functional.mish,
        functional.prelu,
        functional.relu6,
    ),
    *(functional.selu, functional.silu, functional.softplus, functional.softshrink, functional.softsign),
    *(functional.tanhshrink, functional.threshold, torch.abs, torch.celu, torch.selu, torch.sigmoid, torch.tanh),
    *(functional.celu_, functional.elu_, functional.hardtanh_, functional.leaky_relu_, functional.selu_),
    *(torch.celu_, torch.selu_, torch.sigmoid_, torch.tanh_, torch.threshold, torch.threshold_),
    *(Tensor.abs, Tensor.hardshrink, Tensor.prelu, Tensor.sigmoid, Tensor.sigmoid_, Tensor.tanh, Tensor.tanh_),
}
CLAMPS = {
    *(torch.clamp, torch.clamp_, torch.clamp_min, torch.clamp_min_, torch.clamp_max, torch.clamp_max_, torch.clip),
    *(
        Tensor.clamp,
        Tensor.clamp_,
        Tensor.clamp_min,
        Tensor.clamp_min_,
        Tensor.clamp_max,
        Tensor.clamp_max_,
        Tensor.clip,
    ),
}
POOLS: dict[Any, tuple[Callable[..., tuple[Tensor, Tensor]], int]] = {
    functional.max_pool1d: (functional.max_pool1d, 1),
    functional.max_pool2d: (functional.max_pool2d, 2),
    functional.max_pool3d: (functional.max_pool3d, 3),
    torch.max_pool1d: (functional.max_pool1d, 1),
    torch.max_pool2d: (functional.max_pool2d, 2),
    torch.max_pool3d: (functional.max_pool3d, 3),
    functional.adaptive_max_pool1d: (functional.adaptive_max_pool1d, 1),
    functional.adaptive_max_pool2d: (functional.adaptive_max_pool2d, 2),
    functional.adaptive_max_pool3d: (functional.adaptive_max_pool3d, 3),
}
"""What returns maxima and their places, the last axes flattened, and over how many axes."""


def has_rule(function: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Whether a call, of a first operand and these, is of one of the operations; between tensors a clamp is of several values."""
    if function in CLAMPS:
        return not any(isinstance(bound, Tensor) for bound in (*args, *kwargs.values()))
    return function in ACTIVATIONS or function in POOLS


def by_rule(
    function: Any, entered: Tensor, reference: Tensor, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> Tensor:
    """What a call returns, with the multipliers in its graph; in place where the call was.

    Args:
        entered: what enters the operation.
        reference: what did in the pass with the others.
        args, kwargs: whatever else it was called with.
    """
    if function in POOLS:
        (pool, axes), options = POOLS[function], {**kwargs, "return_indices": True}
        pooled: Tensor = _Pooled.apply(entered, reference, lambda x: pool(x, *args, **options), axes)
        return pooled

    def call(x: Tensor) -> Tensor:
        result: Tensor = function(x, *args, **kwargs)
        return result

    multipliers = relu_multipliers if function in RELUS else lambda x, other: activation_multipliers(call, x, other)
    tried = entered.detach().clone()
    is_in_place = call(tried).data_ptr() == tried.data_ptr()
    result: Tensor = _Rescaled.apply(entered, reference, call, multipliers)
    return entered.copy_(result) if is_in_place else result


class _Rescaled(torch.autograd.Function):
    """An activation whose derivative is the multiplier; kept apart from saved tensors, which hooks of a model may change."""

    @staticmethod
    def forward(ctx: Any, entered: Tensor, reference: Tensor, call: Any, multipliers: Any) -> Tensor:
        ctx.multiplier = multipliers(entered.detach(), reference)
        result: Tensor = call(entered.detach().clone())
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (gradient,) = gradients
        return gradient * ctx.multiplier, None, None, None


class _Pooled(torch.autograd.Function):
    """Max pooling whose derivative is the multiplier, at one place of each window."""

    @staticmethod
    def forward(ctx: Any, entered: Tensor, reference: Tensor, pool: Any, axes: int) -> Tensor:
        ctx.shape, ctx.axes = entered.shape, axes
        result, ctx.index, ctx.multiplier = pool_multipliers(entered.detach(), reference, pool, axes)
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (gradient,) = gradients
        shares = (gradient * ctx.multiplier).flatten(-ctx.axes)
        # windows that overlap may share a place
        into = gradient.new_zeros(ctx.shape).flatten(-ctx.axes).scatter_add(-1, ctx.index, shares)
        return into.reshape(ctx.shape), None, None, None


def relu_multipliers(entered: Tensor, reference: Tensor) -> Tensor:
    """(relu(x) - relu(x')) / (x - x'), the derivative where both lie on one side; nothing cancels.

    >>> relu_multipliers(torch.tensor([2.0, -1.0, 3.0, -3.0]), torch.tensor([1.0, -1.0, -1.0, 1.0]))
    tensor([1.0000, 0.0000, 0.7500, 0.2500])
    """
    positive = entered > 0
    apart = positive != (reference > 0)
    share = torch.maximum(entered, reference) / (entered - reference).abs().where(apart, 1)
    return share.where(apart, positive.to(entered.dtype))


def activation_multipliers(call: Callable[[Tensor], Tensor], entered: Tensor, reference: Tensor) -> Tensor:
    """(f(x) - f(x')) / (x - x'); the mean of both derivatives where x and x' hardly differ, as the quotient cancels there, and
    no kink lies between.

    That mean is a trapezoid: it errs by f''' (x - x')^2 / 12, which is rounding where x - x' is below the third root of it.

    >>> activation_multipliers(torch.sigmoid, torch.tensor([2.0, 0.0]), torch.tensor([-2.0, 1e-6]))
    tensor([0.1904, 0.2500])
    """
    out, slope = _derived(call, entered)
    other, other_slope = _derived(call, reference)
    difference = entered - reference
    scale = torch.maximum(entered.abs(), reference.abs()).clamp_min(1)
    near = difference.abs() <= torch.finfo(entered.dtype).eps ** (1 / 3) * scale
    is_smooth = (slope - other_slope).abs() <= 2 * difference.abs()
    return ((slope + other_slope) / 2).where(near & is_smooth, (out - other) / difference)


def pool_multipliers(
    entered: Tensor, reference: Tensor, pool: Callable[[Tensor], tuple[Tensor, Tensor]], axes: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The maxima of windows (N, C, *W), the place that the difference of each is due to (N, C, windows), and its multiplier
    there (N, C, *W).

    It is the place of the larger maximum of both passes, at which the input differs by as much or more: its multiplier,
    (out - out') / (in - in') there, is between 0 and 1.

    Args:
        pool: from the input to the maxima of windows and their places in it, flattened.
        axes: the last ones, that windows are of.

    >>> entered, reference = torch.tensor([[[1.0, 5.0]]]), torch.tensor([[[4.0, 0.0]]])
    >>> pool = lambda x: functional.max_pool1d(x, 2, return_indices=True)
    >>> pool_multipliers(entered, reference, pool, 1)  # the second rises by 5, the maximum by 1
    (tensor([[[5.]]]), tensor([[[1]]]), tensor([[[0.2000]]]))
    """
    (out, here), (other, there) = pool(entered), pool(reference)
    index = here.where(out >= other, there).flatten(-axes)
    difference = (entered - reference).flatten(-axes).gather(-1, index).reshape(out.shape)
    return out, index, ((out - other) / difference).where(difference != 0, 1)


def _derived(call: Callable[[Tensor], Tensor], entered: Tensor) -> tuple[Tensor, Tensor]:
    """An activation of each value, and its derivative."""
    with torch.enable_grad():
        leaf = entered.detach().clone().requires_grad_()
        # what works in place does so on no leaf
        result = call(leaf.clone())
        (slope,) = torch.autograd.grad(result.sum(), leaf)
    return result.detach(), slope
