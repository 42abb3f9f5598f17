"""In which order the axes of space inside a model are those of its input's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from xaikit.axes.numbers import Source, numbers
from xaikit.layouts import Axes

CLEAR = 4
"""How many times as far numbers must rise along one axis as along any other."""

NEAR = 4
"""How many sources before one are tried."""


def input_axes(leaf: Tensor, consumed: Source) -> tuple[Axes, tuple[int, ...]] | None:
    """Which axes of the input are space, by those of a tensor that was made of it place by place.

    Args:
        leaf: the input (1, ...).
        consumed: what a module received, of which is known which axes are places.

    Returns:
        The axes, and for each of space the place of its axis among those of ``consumed`` (empty where one
        axis of ``consumed`` holds several of the input's); None where this does not tell.
    """
    cells = tuple(range(1, leaf.dim()))
    source = Source(leaf, None, cells)
    along: dict[int, list[int]] = {}
    for place, axis in enumerate(consumed.cells):
        if consumed.tensor.shape[axis] > 1:
            (number,) = numbers(consumed.tensor, axis, [source])
            if number is None or number.mixed:
                return None
            along[place] = [1 + cell for cell in range(len(cells)) if number.varies(cell)]
            if len(along[place]) == 1 and not number.ascends(along[place][0] - 1):
                return None
    space = sorted({axis for axes in along.values() for axis in axes})
    others = [axis for axis in cells if axis not in space]
    if not space or len(others) > 1 or sum(map(len, along.values())) > len(space):
        return None
    axes = Axes(others[0] if others else None, tuple(space))
    if len(along) != len(space) or any(len(one) != 1 for one in along.values()):
        return axes, ()
    places = {one[0]: place for place, one in along.items()}
    return axes, tuple(places[axis] for axis in space)


def in_order(source: Source, earlier: Sequence[Source], leaf: Source | None) -> Source:
    """The source itself, or, where its module ran on transposed data, with its places in the order of the input's.

    A convolution mixes places, but near ones: what the numbers rise along still is the axis that they lie along. Where
    too many mixed them since the input, a source shortly before tells, of which the input tells in turn.

    Args:
        source: whose axes are in the order of those of the first module that told.
        earlier: sources that it may be made of, in order.
        leaf: the input.
    """
    if leaf is None or source.tensor is leaf.tensor or len(source.cells) < 2 or not source.tensor.requires_grad:
        return source
    along = _along(source, leaf)
    for place in reversed(range(max(0, len(earlier) - NEAR), len(earlier)) if along is None else ()):
        if _along(source, earlier[place]) is not None:
            along = _along(source, in_order(earlier[place], earlier[:place], leaf))
            break
    cells = source.cells if along is None else tuple(source.cells[along.index(place)] for place in range(len(along)))
    return source if cells == source.cells else replace(source, cells=cells)


def _along(source: Source, known: Source) -> list[int] | None:
    """For each axis of a source's places, that of a known one's along which it lies; None where this does not tell."""
    along = [_rises_along(source.tensor, axis, known) for axis in source.cells]
    found = [place for place in along if place is not None]
    return found if len(set(found)) == len(along) else None


def _rises_along(tensor: Tensor, axis: int, leaf: Source) -> int | None:
    """The place among the input's of the one axis along which the numbers of a tensor's axis rise, or fall."""
    (number,) = numbers(tensor, axis, [leaf]) if tensor.shape[axis] > 1 else (None,)
    if number is None:
        return None
    rises = [_rise(number.values, place) for place in range(number.values.dim())]
    largest, *others = sorted(rises, reverse=True)
    is_clear = largest > (tensor.shape[axis] - 1) / CLEAR and largest > CLEAR * others[0]
    return rises.index(largest) if is_clear else None


def _rise(values: Tensor, axis: int) -> float:
    """How much more the numbers are in the last third of an axis than in the first."""
    lines = values.movedim(axis, 0).reshape(values.shape[axis], -1).nanmedian(1).values
    third = max(1, len(lines) // 3)
    rise = (lines[-third:].nanmedian() - lines[:third].nanmedian()).abs()
    return float(rise.nan_to_num())
