"""Numbers that core and methods share: evidence in float32 at least, gradients, interpolation modes, leading eigenvectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import Node

MODES = {1: "linear", 2: "bilinear", 3: "trilinear"}
"""What torch calls linear interpolation in so many dimensions of space."""


def exact(evidence: Tensor) -> Tensor:
    """In float32 at least: sums of half precision overflow at 65504, and products of small numbers vanish."""
    return evidence.to(torch.promote_types(evidence.dtype, torch.float32))


def on_host(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Tensors of one type on the CPU, by one copy for all of a device: each copy waits for all that the device has to do."""
    copies: dict[int, Tensor] = {}
    for device in {tensor.device for tensor in tensors}:
        chosen = {place: tensor for place, tensor in enumerate(tensors) if tensor.device == device}
        flat = torch.cat([tensor.flatten() for tensor in chosen.values()]).cpu()
        copies |= zip(chosen, torch.split(flat, [tensor.numel() for tensor in chosen.values()]), strict=True)
    return [copies[place].view(tensor.shape) for place, tensor in enumerate(tensors)]


def surely(condition: Tensor) -> bool:
    """Whether a condition of one element holds and a look at it costs nothing; else the general way is to be taken.

    On a device it would have to be waited for, and where a graph is traced there is nothing to look at yet.
    """
    return not is_traced(condition) and condition.device.type == "cpu" and bool(condition)


def is_traced(tensor: Tensor) -> bool:
    """Whether it stands for values that are not there yet, in a graph that is traced."""
    return hasattr(tensor, "fake_mode")


def differentiate(
    scores: Tensor, points: Tensor | Sequence[Tensor], weights: Tensor | None = None, **options: bool
) -> tuple[Any, ...]:
    """``torch.autograd.grad``, whose options see, right behind batch normalizations of one sample.

    There torch (seen with 2.14 on a CPU) takes the gradient in a wrong order where it or the input is laid out as tokens are, and
    says nothing.
    """
    with ExitStack() as stack:
        for node in nodes_behind(scores.grad_fn):
            if "BatchNorm" in node.name():
                hook = node.register_prehook(_sparse)
                # a graph that is kept for others is differentiated by them
                if not options.get("create_graph"):
                    stack.callback(hook.remove)
        return torch.autograd.grad(scores, points, weights, **options)


def _sparse(gradients: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """The first gradient with room between its numbers: dense in no memory format, it is read by its strides."""
    first, *others = gradients
    # a traced graph is of any number of samples, and has formulas in place of kernels
    if first is None or is_traced(first) or len(first) > 1:
        return None
    return (torch.stack([first, first], -1)[..., 0], *others)


def nodes_behind(start: Node | None, end: Node | None = None) -> Iterator[Node]:
    """Every node of a graph once: from one on, towards what it was made of, and no further than another one."""
    visited: set[Node | None] = {None, end}
    ahead = [start]
    while ahead:
        node = ahead.pop()
        if node is not None and node not in visited:
            visited.add(node)
            yield node
            ahead.extend(parent for parent, _ in node.next_functions)


SMALL = 64


STEPS = 32


ROUNDINGS = 64
"""A residual of so many roundings of the eigenvalue is as small as it gets."""


def leading_eigenvector(matrices: Tensor) -> tuple[Tensor, Tensor]:
    """The largest eigenvalue (..., 1, 1) and its eigenvector (..., n, 1) of finite matrices (..., n, n).

    Small ones by a full decomposition; of larger ones only what 32 steps of the Lanczos method span, where its residual
    is at the rounding error, and a full decomposition of those matrices where it is not.
    """
    size = matrices.shape[-1]
    if size <= SMALL or is_traced(matrices):  # a traced graph cannot tell whether its steps were enough
        return _decomposed(matrices)
    flat = matrices.reshape(-1, size, size)
    value, vector = _lanczos(flat)
    residual = torch.linalg.vector_norm(flat @ vector - value * vector, dim=1, keepdim=True)
    stubborn = (residual > ROUNDINGS * torch.finfo(flat.dtype).eps * value).reshape(-1)
    # on a CPU the answer is at hand; elsewhere it is waited for, which costs less than decomposing all of them
    if bool(stubborn.any()):
        value[stubborn], vector[stubborn] = _decomposed(flat[stubborn])
    return value.reshape(*matrices.shape[:-2], 1, 1), vector.reshape(*matrices.shape[:-1], 1)


def _decomposed(matrices: Tensor) -> tuple[Tensor, Tensor]:
    values, vectors = torch.linalg.eigh(matrices)
    return values[..., -1:, None], vectors[..., -1:]


def _lanczos(matrices: Tensor) -> tuple[Tensor, Tensor]:
    """By Rayleigh and Ritz in the Krylov space of a fixed start, orthogonalized in full: (B, 1, 1) and (B, n, 1)."""
    count, size, _ = matrices.shape
    basis = matrices.new_zeros(count, size, STEPS)
    images = torch.empty_like(basis)
    # a direction that no structure of the data is orthogonal to, the same for every matrix and on every device
    generator = torch.Generator().manual_seed(size)
    start = torch.randn(1, size, 1, generator=generator, dtype=torch.float64) / size**0.5
    vector = start.to(matrices).expand(count, size, 1)
    for step in range(STEPS):
        # twice is enough
        for _ in range(2):
            vector = vector - basis @ (basis.mT @ vector)
        length = torch.linalg.vector_norm(vector, dim=1, keepdim=True)
        basis[:, :, step : step + 1] = vector / length.where(length > 0, 1)
        images[:, :, step : step + 1] = vector = matrices @ basis[:, :, step : step + 1]
    values, vectors = torch.linalg.eigh(basis.mT @ images)
    return values[:, -1:, None], basis @ vectors[:, :, -1:]
