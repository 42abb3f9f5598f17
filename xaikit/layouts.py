"""How the tensor at a tap is arranged, and its arrangement as a map: channels first, then space.

A layout belongs to the tap, not to the method: tokens and channels-last maps become (N, C, *S) here and nowhere else.
Found from the shapes alone (``shared`` aspect of the input and the grid): attributes such as ``patch_embed.grid_size``
are wrong for a third of the models that have them, so at most the number of prefix tokens is taken as a hint.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, Protocol

import torch
from torch import Tensor

MAX_PREFIX = 16
Kind = Literal["channels_first", "channels_last", "tokens"]


class Arrangement(Protocol):
    """The class behind a plugin of ``xaikit.layouts``: a frozen dataclass whose fields are its options."""

    def layout(self, shape: tuple[int, ...], space: tuple[int, ...]) -> MapLayout | None:
        """How a tensor is arranged.

        Args:
            shape: of the tensor at the tap, samples first.
            space: of the model's input.

        Returns:
            A :class:`Layout`, or any object with its four methods; None where a tensor of that shape is no such map.
        """


class MapLayout(Arrangement, Protocol):
    """How a tensor is arranged, and its arrangement as a map (N, C, *S)."""

    def to_map(self, tensor: Tensor) -> Tensor: ...

    def from_map(self, saliency: Tensor, like: Tensor) -> Tensor: ...

    def space(self, shape: tuple[int, ...]) -> tuple[int, ...]: ...


@dataclass(frozen=True)
class Layout:
    """Where channels and space lie in a tensor.

    kind    channels_first (N, C, *S), channels_last (N, *S, C), or tokens (N, prefix + prod(grid) + others, C)
    prefix  tokens before the grid (class and register tokens)
    grid    the spatial shape of tokens, in raster order; what lies behind it is no place either
    """

    kind: Kind = "channels_first"
    prefix: int = 0
    grid: tuple[int, ...] = ()

    def layout(self, shape: tuple[int, ...], space: tuple[int, ...]) -> Layout | None:
        """Itself: a layout is an arrangement that asks for nothing."""
        return self

    def to_map(self, tensor: Tensor) -> Tensor:
        """The tensor as (N, C, *S); a view, tokens that are no place left out."""
        if self.kind == "channels_first":
            return tensor
        if self.kind == "tokens":
            tensor = tensor[:, self.prefix : self._end].reshape(tensor.shape[0], *self.grid, tensor.shape[2])
        return tensor.movedim(-1, 1)

    @property
    def _end(self) -> int:
        """Of the tokens of the grid."""
        return self.prefix + math.prod(self.grid)

    def from_map(self, saliency: Tensor, like: Tensor) -> Tensor:
        """(M, C, *S) arranged as the tensor ``like`` (B, ...), whose other tokens it gets; M is a multiple of B."""
        if self.kind == "channels_first":
            return saliency
        tensor = saliency.movedim(1, -1)
        if self.kind == "channels_last":
            return tensor
        others = like.repeat_interleave(saliency.shape[0] // like.shape[0], 0).to(tensor.dtype)
        return torch.cat([others[:, : self.prefix], tensor.flatten(1, -2), others[:, self._end :]], 1)

    def space(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The spatial shape of a tensor of that shape."""
        if self.kind == "tokens":
            return self.grid
        return tuple(shape[2:] if self.kind == "channels_first" else shape[1:-1])


@dataclass(frozen=True)
class Axes:
    """Which axis of a tensor is what; that of the samples is the first.

    channels  their axis; None: there is none, as of a depth map (N, H, W)
    space     the axes of space, in the order of the input's

    >>> Axes(2, (1, 3, 4)).to_map(torch.zeros(1, 8, 3, 16, 20)).shape
    torch.Size([1, 3, 8, 16, 20])
    """

    channels: int | None
    space_axes: tuple[int, ...]

    def layout(self, shape: tuple[int, ...], space: tuple[int, ...]) -> Layout | Axes | None:
        """Itself, where there are as many axes."""
        return self if len(shape) == 1 + (self.channels is not None) + len(self.space_axes) else None

    def to_map(self, tensor: Tensor) -> Tensor:
        """The tensor as (N, C, *S); a view."""
        if self.channels is None:
            return tensor.permute(0, *self.space_axes).unsqueeze(1)
        return tensor.permute(0, self.channels, *self.space_axes)

    def from_map(self, saliency: Tensor, like: Tensor) -> Tensor:
        """(M, C, *S) arranged as the tensor ``like``."""
        if self.channels is None:
            return saliency.squeeze(1).permute(0, *_inverse(self.space_axes))
        return saliency.permute(0, *_inverse((self.channels, *self.space_axes)))

    def space(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The spatial shape of a tensor of that shape."""
        return tuple(shape[axis] for axis in self.space_axes)


def _inverse(axes: tuple[int, ...]) -> list[int]:
    """Where each of the axes 1, 2, ... has gone."""
    return [1 + axes.index(axis) for axis in range(1, len(axes) + 1)]


@dataclass(frozen=True)
class Positions:
    """Tokens (N, L, C) in any order.

    grid       the spatial shape
    positions  the place in the sequence of each cell of the grid, in raster order
    """

    grid: tuple[int, ...]
    positions: tuple[int, ...]

    def layout(self, shape: tuple[int, ...], space: tuple[int, ...]) -> Positions | None:
        """Itself, where there are so many tokens."""
        return self if len(shape) == 3 and max(self.positions) < shape[1] else None

    def to_map(self, tensor: Tensor) -> Tensor:
        """The tensor as (N, C, *S), tokens that are no place left out."""
        return tensor[:, list(self.positions)].reshape(tensor.shape[0], *self.grid, tensor.shape[2]).movedim(-1, 1)

    def from_map(self, saliency: Tensor, like: Tensor) -> Tensor:
        """(M, C, *S) arranged as the tensor ``like`` (B, ...), whose other tokens it gets; M is a multiple of B."""
        tensor = saliency.movedim(1, -1).flatten(1, -2)
        others = like.repeat_interleave(saliency.shape[0] // like.shape[0], 0).to(tensor.dtype)
        return others.index_copy(1, torch.tensor(self.positions, device=others.device), tensor)

    def space(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The spatial shape."""
        return self.grid


@dataclass(frozen=True)
class Views:
    """Views or frames of a sample as rows of its own, one behind another: (N V, ...), V the first axis of the input's space.

    count  V; 0: as many as the input has
    each   the layout of one view

    >>> views = Views().layout((6, 8, 4, 4), (3, 32, 32))
    >>> views.to_map(torch.zeros(6, 8, 4, 4)).shape
    torch.Size([2, 8, 3, 4, 4])
    """

    count: int = 0
    each: Layout = Layout()

    def layout(self, shape: tuple[int, ...], space: tuple[int, ...]) -> Views | None:
        """Of so many views; None where there are no such rows, or one is no map."""
        count = self.count or next(iter(space), 0)
        each = infer(shape, space[1:]) if count and shape[0] % count == 0 else None
        return None if each is None else Views(count, each)

    def to_map(self, tensor: Tensor) -> Tensor:
        """The tensor as (N, C, V, *S)."""
        maps = self.each.to_map(tensor)
        return maps.reshape(-1, self.count, *maps.shape[1:]).movedim(1, 2)

    def from_map(self, saliency: Tensor, like: Tensor) -> Tensor:
        """(M, C, V, *S) arranged as the tensor ``like`` (B V, ...); M is a multiple of B."""
        samples = like.reshape(-1, self.count, *like.shape[1:])
        repeated = samples.repeat_interleave(len(saliency) // len(samples), 0).flatten(0, 1)
        return self.each.from_map(saliency.movedim(2, 1).flatten(0, 1), repeated)

    def space(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """V, and the spatial shape of one view."""
        return (self.count, *self.each.space(shape))


def infer(shape: tuple[int, ...], space: tuple[int, ...], hint: int | None = None) -> Layout | None:
    """The layout of a tensor that a model computed from an input whose spatial shape is ``space``; None if it has none.

    >>> infer((1, 512, 7, 7), (224, 224)).kind
    'channels_first'
    >>> infer((1, 7, 7, 768), (224, 224)).kind
    'channels_last'
    >>> infer((1, 197, 768), (224, 224))
    Layout(kind='tokens', prefix=1, grid=(14, 14))
    >>> infer((1, 1000), (224, 224)) is None, infer((1, 1024, 1), (224, 224)) is None
    (True, True)
    """
    rank = len(space)
    if rank == 0:
        return None
    if len(shape) == rank + 2:
        last = not keeps_aspect(shape[2:], space) and keeps_aspect(shape[1:-1], space)
        return Layout("channels_last") if last else Layout("channels_first")
    if len(shape) == 3 and rank > 1 and shape[2] > 1:  # (N, C, 1) is a pooled vector: no tokens of one channel
        return _tokens(shape[1], space, hint)
    return None


def _tokens(count: int, space: tuple[int, ...], hint: int | None) -> Layout | None:
    prefixes = [*([] if hint is None else [hint]), *range(MAX_PREFIX + 1)]
    for prefix in prefixes:
        for grid in _factorizations(count - prefix, len(space)):
            if min(grid) > 1 and keeps_aspect(grid, space):
                return Layout("tokens", prefix, grid)
    return None


def token_readings(
    count: int, space: tuple[int, ...], grids: Sequence[tuple[int, ...]] = (), hint: int | None = None
) -> tuple[Layout, ...]:
    """All ways in which so many tokens may be a grid in raster order and tokens before or behind it.

    Args:
        grids: those that the model laid out; without any, those with the aspect of the input.
        hint: tokens before the grid, as the model says: where they fit, this is the one way.

    >>> token_readings(31, (64, 96), [(4, 6)])
    (Layout(kind='tokens', prefix=7, grid=(4, 6)), Layout(kind='tokens', prefix=0, grid=(4, 6)))
    """
    readings = [
        Layout("tokens", prefix, grid)
        for grid in grids
        for prefix in dict.fromkeys((count - math.prod(grid), 0))
        if count >= math.prod(grid) > 1
    ]
    if not grids:
        readings = [
            Layout("tokens", prefix, grid)
            for prefix in range(MAX_PREFIX + 1)
            for grid in _factorizations(count - prefix, len(space))
            if min(grid) > 1 and keeps_aspect(grid, space)
        ]
    sure = [one for one in readings if one.prefix == (hint or 0) and one.prefix + math.prod(one.grid) == count]
    return tuple(sure or readings)


def _factorizations(count: int, rank: int) -> Iterator[tuple[int, ...]]:
    """All ways to write ``count`` as an ordered product of ``rank`` numbers."""
    if rank == 1:
        yield (count,)
        return
    for first in range(1, count + 1):
        if count % first == 0:
            yield from ((first, *rest) for rest in _factorizations(count // first, rank - 1))


def keeps_aspect(grid: tuple[int, ...], space: tuple[int, ...]) -> bool:
    """Whether a grid has the aspect of the input, up to one cell of rounding in either direction.

    >>> keeps_aspect((2, 10), (48, 320)), keeps_aspect((7, 768), (224, 224))
    (True, False)
    """
    return all(_same_scale(one, two) for one, two in combinations(zip(grid, space, strict=True), 2))


def _same_scale(one: tuple[int, int], two: tuple[int, int]) -> bool:
    (cells, pixels), (other_cells, other_pixels) = one, two
    off = abs(cells * other_pixels / pixels - other_cells), abs(other_cells * pixels / other_pixels - cells)
    return min(off) < 1


def stride(grid: tuple[int, ...], space: tuple[int, ...]) -> float:
    """Input pixels a cell of the grid, along the axis where they are most.

    >>> stride((7, 7), (224, 224))
    32.0
    """
    return max((pixels / cells for cells, pixels in zip(grid, space, strict=True)), default=math.nan)
