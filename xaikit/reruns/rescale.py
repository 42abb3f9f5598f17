"""The Rescale rule of single operations: the operation itself, with multipliers in place of its derivative.

Of one value (Shrikumar et al. 2017, arXiv:1704.02685, Eq. 10) the multiplier is (out - out') / (in - in'). Of a maximum, for
which they state no rule, the place of the larger one of both passes has all of the difference, as in Captum.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from xaikit._numeric import differentiate


def _called(names: str) -> set[Any]:
    """All ways to call operations of these names, in place or not."""
    forms = [form for name in names.split() for form in (name, f"{name}_")]
    return {getattr(owner, form) for owner in (functional, torch, Tensor) for form in forms if hasattr(owner, form)}


RELUS = {functional.relu, functional.relu_, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_}
ACTIVATIONS = RELUS | _called(
    "abs celu elu gelu hardshrink hardsigmoid hardswish hardtanh leaky_relu logsigmoid mish prelu relu6 selu sigmoid silu "
    "softplus softshrink softsign tanh tanhshrink threshold"
)
CLAMPS = _called("clamp clamp_min clamp_max clip")
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
        made = pool_multipliers(entered.detach(), reference, lambda x: pool(x, *args, **options), axes)
        pooled: Tensor = _Pooled.apply(entered, made, axes)
        return pooled

    def call(x: Tensor) -> Tensor:
        result: Tensor = function(x, *args, **kwargs)
        return result

    tried = entered.detach().clone()
    out = call(tried).detach()
    multipliers = relu_multipliers if function in RELUS else partial(activation_multipliers, call)
    multiplier = multipliers(entered.detach(), reference)
    rescaled: Tensor = _Rescaled.apply(entered, (out, multiplier))
    return entered.copy_(rescaled) if out.data_ptr() == tried.data_ptr() else rescaled


class _Rescaled(torch.autograd.Function):
    """What an activation returned, with the multiplier as its derivative; kept apart from saved tensors, which hooks of a model
    may change."""

    @staticmethod
    def forward(ctx: Any, entered: Tensor, made: tuple[Tensor, Tensor]) -> Tensor:
        out, ctx.multiplier = made
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,) = gradients
        return gradient * ctx.multiplier, None


class _Pooled(torch.autograd.Function):
    """The maxima of windows, whose derivative is the multiplier, at one place of each."""

    @staticmethod
    def forward(ctx: Any, entered: Tensor, made: tuple[Tensor, Tensor, Tensor], axes: int) -> Tensor:
        ctx.shape, ctx.flat = entered.shape, entered.flatten(-axes).shape
        out, ctx.index, ctx.multiplier = made
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = gradients
        shares = (gradient * ctx.multiplier).reshape(ctx.index.shape)
        # windows that overlap may share a place
        return gradient.new_zeros(ctx.flat).scatter_add(-1, ctx.index, shares).reshape(ctx.shape), None, None


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
        (slope,) = differentiate(result.sum(), leaf)
    return result.detach(), slope
