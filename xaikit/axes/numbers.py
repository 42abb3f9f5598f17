"""Which axis of a tensor is which of another, told by the gradients of numbered places.

Let c be the number of a place along one axis of a tensor t, and v random and the same along that axis. At a tensor s that t
was made of, the gradients of sum(v t) and of sum(c v t) differ by a factor: by the number of the one place that a cell of s
went to, whatever permuted, cut, merged or padded on the way. Where places were mixed it is another one in each channel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from xaikit._numeric import differentiate, on_host
from xaikit.layouts import Axes, Layout, MapLayout, Positions

BASE = 8
"""Of the digits that exact numbers are told by: a digit is right also in half precision."""


MIXED = 0.02
"""The share of the range of numbers that channels of one cell may differ by: rounding, and no mixing."""


WHOLE = 0.2
"""How far a digit may be from a whole number."""


@dataclass(frozen=True)
class Source:
    """A tensor of which is known which axis is what.

    channels  their axis; None where there is none
    cells     the axes of places, in the order of the input's
    turn      its place among all that was recorded of the forward
    """

    tensor: Tensor
    channels: int | None
    cells: tuple[int, ...]
    turn: int = 0


@dataclass(frozen=True)
class Numbers:
    """The numbers of the places of a target along one of its axes that the cells of a source went to.

    values  by cell, NaN where a cell went nowhere
    mixed   whether no number holds for all channels of a cell
    """

    values: Tensor
    mixed: bool

    def varies(self, axis: int) -> bool:
        """Whether the number changes along an axis of the cells."""
        return bool(self._spread(axis).max() > 0.5)

    def ascends(self, axis: int) -> bool:
        """Whether it grows along an axis."""
        line = self.values.movedim(axis, 0).reshape(self.values.shape[axis], -1).nanmedian(1).values
        line = line[~line.isnan()]
        return bool((line.diff() >= -0.01).all())

    def _spread(self, axis: int) -> Tensor:
        known = ~self.values.isnan()
        low = self.values.masked_fill(~known, torch.inf).amin(axis)
        return (self.values.masked_fill(~known, -torch.inf).amax(axis) - low).masked_fill(~known.any(axis), 0)


def arrangement(target: Tensor, sources: Sequence[Source], rank: int) -> MapLayout | None:
    """How a tensor is arranged, by the last of the sources that tells.

    Args:
        target: (1, ...), with a graph that leads to the sources.
        rank: dimensions of the input's space.
    """
    sources = [source for source in sources if source.tensor.requires_grad and len(source.cells) == rank]
    if not target.requires_grad or not sources:
        return None
    axes = [axis for axis in range(target.dim()) if target.shape[axis] > 1]
    by_axis = {axis: numbers(target, axis, sources) for axis in axes}
    for place in reversed(range(len(sources))):
        found = {axis: by_source[place] for axis, by_source in by_axis.items()}
        layout = _arranged(target, sources[place], found, rank)
        if layout is not None:
            return layout
    return None


def _arranged(target: Tensor, source: Source, found: dict[int, Numbers | None], rank: int) -> MapLayout | None:
    placed: dict[int, list[int]] = {}
    for axis, number in found.items():
        if number is not None and not number.mixed:
            along = [cell for cell in range(rank) if number.varies(cell)]
            placed |= {axis: along} if along else {}
    if not placed or 0 in placed:
        return None
    if placed.keys() == {1} and target.dim() == 3 and target.shape[2] > 1:
        return _tokens(target, source)
    return _axes(target.dim(), found, placed, rank)


def _axes(dims: int, found: dict[int, Numbers | None], placed: dict[int, list[int]], rank: int) -> MapLayout | None:
    """Each axis of space along one of the source's, in the same direction."""
    along = {cells[0]: axis for axis, cells in placed.items() if len(cells) == 1}
    others = [axis for axis in range(1, dims) if axis not in placed]
    if len(placed) != rank or len(along) != rank or len(others) > 1:
        return None
    for cell, axis in along.items():
        number = found[axis]
        if number is None or not number.ascends(cell):
            return None
    return plain(Axes(others[0] if others else None, tuple(along[cell] for cell in range(rank))))


def plain(axes: Axes) -> Layout | Axes:
    """The usual name of axes that have one."""
    rank = len(axes.space_axes)
    if axes == Axes(1, tuple(range(2, rank + 2))):
        return Layout("channels_first")
    return Layout("channels_last") if axes == Axes(rank + 1, tuple(range(1, rank + 1))) else axes


def _tokens(target: Tensor, source: Source) -> MapLayout | None:
    """Tokens (1, L, C), by the cells of the source that each holds."""
    values = exact_numbers(target, 1, source)
    if values is None:
        return None
    values = _thinned(values)
    layout = _in_raster_order(values, target.shape[1]) if bool(values.isnan().any()) else _in_blocks(values)
    if layout is not None and len(layout.grid) == 1 and layout == Layout("tokens", 0, (target.shape[1],)):
        return Layout("channels_last")
    return layout


def _thinned(values: Tensor) -> Tensor:
    """Without the lines of cells that a stride left out, where it left out the same between all others."""
    known, thin = ~values.isnan(), values
    for axis in range(values.dim()):
        lines = known.movedim(axis, 0).reshape(values.shape[axis], -1).any(1).nonzero()[:, 0]
        if len(lines) < 2 or len(set(lines.diff().tolist())) > 1:
            return values
        thin = thin.index_select(axis, lines)
    return values if bool(thin.isnan().any()) else thin


def _in_raster_order(values: Tensor, count: int) -> Layout | None:
    """Where some cells went nowhere, as behind a ReLU: raster order, if at least half say so and none does otherwise."""
    known = ~values.isnan()
    raster = torch.arange(values.numel(), dtype=values.dtype, device=values.device).view(values.shape)
    prefixes = set((values - raster)[known].tolist())
    if len(prefixes) != 1 or bool(known.double().mean() < 0.5):
        return None
    (prefix,) = map(int, prefixes)
    return Layout("tokens", prefix, tuple(values.shape)) if 0 <= prefix <= count - values.numel() else None


def _in_blocks(values: Tensor) -> Layout | Positions | None:
    """The grid of the blocks of cells that went to one token each."""
    corners, sizes = values, []
    for axis in range(values.dim()):
        line = values.movedim(axis, 0).reshape(values.shape[axis], -1)
        starts = [0, *(1 + step for step, moved in enumerate((line.diff(dim=0) != 0).any(1).tolist()) if moved)]
        corners = corners.index_select(axis, torch.tensor(starts, device=values.device))
        sizes.append(torch.tensor([*starts[1:], values.shape[axis]]) - torch.tensor(starts))
    whole = corners
    for axis, size in enumerate(sizes):
        whole = whole.repeat_interleave(size.to(values.device), axis)
    positions = [int(number) for number in corners.flatten()]
    if not torch.equal(whole, values) or len(set(positions)) < len(positions) or len(positions) < 2:
        return None
    grid = tuple(corners.shape)
    in_order = positions == list(range(positions[0], positions[0] + len(positions)))
    return Layout("tokens", positions[0], grid) if in_order else Positions(grid, tuple(positions))


def numbers(target: Tensor, axis: int, sources: Sequence[Source]) -> list[Numbers | None]:
    """For every source where the places of a target along one axis came from; None where the target is not made of it."""
    count = target.shape[axis]
    found = _fitted(target, axis, torch.linspace(0, 1, count), sources)
    return [
        None if fit is None else Numbers(fit[0] * (count - 1), bool(fit[1] > MIXED or fit[0].isnan().all()))
        for fit in found
    ]


def exact_numbers(target: Tensor, axis: int, source: Source) -> Tensor | None:
    """The same as whole numbers; None where some cell went to more than one place."""
    count = target.shape[axis]
    values = None
    for power in range(max(1, math.ceil(math.log(count, BASE) - 1e-9))):
        digits = torch.arange(count) // BASE**power % BASE
        (fit,) = _fitted(target, axis, digits.double(), [source])
        if fit is None or bool((fit[0] - fit[0].round()).abs().nan_to_num().max() > WHOLE):
            return None
        values = fit[0].round() * BASE**power + (0 if values is None else values)
    return values


def _fitted(
    target: Tensor, axis: int, coordinate: Tensor, sources: Sequence[Source]
) -> list[tuple[Tensor, Tensor] | None]:
    """The coordinate that fits all channels of a cell best, and the largest misfit."""
    weight = weights_of(target, axis)
    shape = [-1 if one == axis else 1 for one in range(target.dim())]
    tensors = [source.tensor for source in sources]
    even = differentiate(target, tensors, weight, retain_graph=True, allow_unused=True)
    coordinate = coordinate.to(target).view(shape)
    numbered = differentiate(target, tensors, weight * coordinate, retain_graph=True, allow_unused=True)
    fits = [
        None if one is None or other is None else _fit(_precise(one), _precise(other), source)
        for one, other, source in zip(even, numbered, sources, strict=True)
    ]
    # much is decided by these numbers, and each decision would wait for a device
    copies = iter(on_host([number for fit in fits if fit is not None for number in fit]))
    return [None if fit is None else (next(copies), next(copies)) for fit in fits]


def _precise(gradient: Tensor) -> Tensor:
    """In float64, which MPS has none of."""
    return (gradient.cpu() if gradient.device.type == "mps" else gradient).double()


def _fit(even: Tensor, numbered: Tensor, source: Source) -> tuple[Tensor, Tensor]:
    others = tuple(axis for axis in range(even.dim()) if axis not in source.cells)
    power = even.square().sum(others, keepdim=True)
    gone = power <= 1e-12 * power.max()
    best = (even * numbered).sum(others, keepdim=True) / power.masked_fill(gone, 1)
    misfit = ((numbered - best * even).square().sum(others, keepdim=True) / power.masked_fill(gone, 1)).sqrt()
    ordered = [*source.cells, *others]
    values = best.masked_fill(gone, torch.nan).permute(ordered).flatten(len(source.cells)).squeeze(-1)
    return values, misfit.masked_fill(gone, 0).max()


def weights_of(target: Tensor, axis: int) -> Tensor:
    """Positive and random, the same along the axis."""
    generator = torch.Generator().manual_seed(0)
    weight = torch.ones((), dtype=target.dtype, device=target.device)
    for other, side in enumerate(target.shape):
        random = torch.rand(side, generator=generator).to(target) + 0.5
        shape = [-1 if one == other else 1 for one in range(target.dim())]
        weight = weight * (torch.ones_like(random) if other == axis else random).view(shape)
    return weight


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
