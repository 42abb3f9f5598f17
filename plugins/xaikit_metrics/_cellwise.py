"""A model on a mosaic whose cells know nothing of each other, and whose output is that of the first cell."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree

from xaikit_metrics._mosaic import mosaic

NEAR = ("conv2d", "max_pool2d", "avg_pool2d", "pad", "interpolate", "group_norm", "instance_norm")
"""What mixes near places: each cell goes through it alone, with what a model lays around the edges of a photograph."""

POOLING = ("adaptive_avg_pool2d", "adaptive_max_pool2d", "mean", "sum", "amax", "flatten")
"""What makes a few numbers of all places: of the first cell here."""


class Cellwise(TorchFunctionMode):
    """In it, operations on a mosaic of side x side cells see one cell at a time, and those that pool see the first alone."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self._side = side
        self._pooled: set[tuple[int, ...]] = set()

    def __torch_function__(
        self, func: Any, types: Collection[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        name, options = getattr(func, "__name__", "").removesuffix("_with_indices"), dict(kwargs or {})
        if not args or not self._has_cells(args[0]):
            return func(*args, **options)
        if name in NEAR:
            return joined(func(cells(args[0], self._side), *args[1:], **options), self._side)
        if name in POOLING and _is_of_space(name, args, options):
            pooled = func(cells(args[0], self._side)[:: self._side**2], *args[1:], **options)
            self._pooled |= {tuple(each.shape[2:]) for each in _tensors(pooled)}
            return pooled
        return func(*args, **options)

    def _has_cells(self, value: object) -> bool:
        """Whether it is a mosaic; what has been pooled of the first cell, to several places, is none any more."""
        if not isinstance(value, Tensor) or value.dim() != 4 or tuple(value.shape[2:]) in self._pooled:
            return False
        return all(size % self._side == 0 for size in value.shape[2:])


def _is_of_space(name: str, args: tuple[Any, ...], options: Mapping[str, Any]) -> bool:
    """Whether both axes of space go."""
    if name not in ("mean", "sum", "amax"):
        return True
    axes = args[1] if len(args) > 1 else options.get("dim")
    return isinstance(axes, tuple | list) and {axis % 4 for axis in axes} == {2, 3}


def cells(whole: Tensor, side: int) -> Tensor:
    """A mosaic (N, C, side * H, side * W) as its cells, (N * side * side, C, H, W), those of one behind each other."""
    count, channels, high, wide = whole.shape
    parts = whole.reshape(count, channels, side, high // side, side, wide // side).permute(0, 2, 4, 1, 3, 5)
    return parts.reshape(count * side**2, channels, high // side, wide // side)


def joined(parts: Any, side: int) -> Any:
    """The inverse of :func:`cells`, of each tensor that an operation has returned."""
    return pytree.tree_map_only(Tensor, lambda each: mosaic(each.unflatten(0, (-1, side**2)), side), parts)


def disconnect(model: nn.Module, side: int) -> None:
    """Have a model, a copy of the user's, see the cells of a mosaic one by one and answer for the first."""
    forward: Callable[..., Any] = model.forward

    def of_first_cell(*args: Any, **kwargs: Any) -> Any:
        with Cellwise(side):
            return forward(*args, **kwargs)

    model.forward = of_first_cell


def differs(one: Any, other: Any) -> Tensor:
    """Which samples (N,) of two outputs are not the same to rounding: 1e-4 of the largest value."""
    pairs = zip(_tensors(one), _tensors(other), strict=True)
    return torch.stack([_differs(first, second) for first, second in pairs]).any(0)


def _tensors(output: Any) -> list[Tensor]:
    return [leaf for leaf in pytree.tree_leaves(output) if isinstance(leaf, Tensor)]


def _differs(one: Tensor, other: Tensor) -> Tensor:
    if one.shape != other.shape:
        return torch.ones(len(other), dtype=torch.bool, device=other.device)
    return ~((one - other).flatten(1).abs().amax(1) <= 1e-4 * other.flatten(1).abs().amax(1))
