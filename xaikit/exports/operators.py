"""Operations by others, for formats that do not have them: those of a backward by those of a forward."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._decomp import decomposition_table

aten = torch.ops.aten

Rules = dict[Any, Callable[..., Any]]


def convolution_backward(
    gradient: Tensor,
    inputs: Tensor,
    weight: Tensor,
    bias_sizes: Sequence[int] | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
    output_mask: Sequence[bool],
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """The gradient at what a convolution was given: the transposed convolution of the gradient behind it, or the other way round.

    That of weights is none of a map's.
    """
    if any(output_mask[1:]):
        declined: tuple[None, None, None] = NotImplemented
        return declined
    rank = len(stride)
    if transposed:
        back = aten.convolution.default(gradient, weight, None, stride, padding, dilation, False, [0] * rank, groups)
        return back, None, None
    # the places of the input that the last step of the stride did not reach
    left = [
        inputs.shape[2 + axis]
        - (
            (gradient.shape[2 + axis] - 1) * stride[axis]
            - 2 * padding[axis]
            + dilation[axis] * (weight.shape[2 + axis] - 1)
            + 1
        )
        for axis in range(rank)
    ]
    back = aten.convolution.default(gradient, weight, None, stride, padding, dilation, True, left, groups)
    return back, None, None


def kthvalue(tensor: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    """The k-th smallest value, by sorting."""
    values, indices = tensor.sort(dim)
    values, indices = values.select(dim, k - 1), indices.select(dim, k - 1)
    return (values.unsqueeze(dim), indices.unsqueeze(dim)) if keepdim else (values, indices)


def backward_by_forward() -> Rules:
    """What stands in their place: torch's own rules where it has some, and those of this module."""
    of_torch = {op: rule for op, rule in decomposition_table.items() if "backward" in str(op)}
    return {**of_torch, aten.convolution_backward.default: convolution_backward, aten.kthvalue.default: kthvalue}
