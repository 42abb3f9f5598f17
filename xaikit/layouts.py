"""How the tensor at a tap is arranged, and its arrangement as a map: channels first, then space.

A layout belongs to the tap, not to the method: tokens and channels-last maps become (N, C, *S) here and nowhere else.
Found from the shapes alone (``shared`` aspect of the input and the grid): attributes such as ``patch_embed.grid_size``
are wrong for a third of the models that have them, so at most the number of prefix tokens is taken as a hint.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, Protocol

import torch
from torch import Tensor

MAX_PREFIX = 16
Kind = Literal["channels_first", "channels_last", "tokens"]


class Arrangement(Protocol):
    """The class behind a plugin of ``xaikit.layouts``: a frozen dataclass whose fields are its options."""

    def layout(self, shape: tuple[int, ...], space: tuple[int, ...]) -> Layout | None:
        """How a tensor is arranged.

        Args:
            shape: of the tensor at the tap, samples first.
            space: of the model's input.

        Returns:
            A :class:`Layout`, or any object with its four methods; None where a tensor of that shape is no such map.
        """


@dataclass(frozen=True)
class Layout:
    """Where channels and space lie in a tensor.

    kind    channels_first (N, C, *S), channels_last (N, *S, C), or tokens (N, prefix + prod(grid), C)
    prefix  tokens before the grid (class and register tokens)
    grid    the spatial shape of tokens, in raster order
    """

    kind: Kind = "channels_first"
    prefix: int = 0
    grid: tuple[int, ...] = ()

    def layout(self, shape: tuple[int, ...], space: tuple[int, ...]) -> Layout | None:
        """Itself: a layout is an arrangement that asks for nothing."""
        return self

    def to_map(self, tensor: Tensor) -> Tensor:
        """The tensor as (N, C, *S); a view, prefix tokens left out."""
        if self.kind == "channels_first":
            return tensor
        if self.kind == "tokens":
            tensor = tensor[:, self.prefix :].reshape(tensor.shape[0], *self.grid, tensor.shape[2])
        return tensor.movedim(-1, 1)

    def from_map(self, saliency: Tensor, like: Tensor) -> Tensor:
        """(M, C, *S) arranged as the tensor ``like`` (B, ...), whose prefix tokens it gets; M is a multiple of B."""
        if self.kind == "channels_first":
            return saliency
        tensor = saliency.movedim(1, -1)
        if self.kind == "channels_last":
            return tensor
        prefix = like[:, : self.prefix].repeat_interleave(len(saliency) // len(like), 0)
        return torch.cat([prefix.to(tensor.dtype), tensor.flatten(1, -2)], 1)

    def space(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The spatial shape of a tensor of that shape."""
        if self.kind == "tokens":
            return self.grid
        return tuple(shape[2:] if self.kind == "channels_first" else shape[1:-1])


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
