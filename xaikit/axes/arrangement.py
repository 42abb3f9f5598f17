"""How a tensor is arranged, by the numbers of its places that the cells of a known one went to."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from xaikit.axes.numbers import Numbers, Source, exact_numbers, numbers
from xaikit.axes.order import in_order
from xaikit.layouts import MAX_PREFIX, Axes, Layout, MapLayout, Positions


def arrangement(target: Tensor, sources: Sequence[Source], rank: int, leaf: Source | None = None) -> MapLayout | None:
    """How a tensor is arranged, by the last of the sources that tells.

    Args:
        target: (1, ...), with a graph that leads to the sources.
        rank: dimensions of the input's space.
        leaf: the input, by which the axes of that source are in the order of the input's.
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
            source = in_order(sources[place], sources[:place], leaf)
            return layout if source is sources[place] else arrangement(target, [source], rank)
    return None


def _arranged(target: Tensor, source: Source, found: dict[int, Numbers | None], rank: int) -> MapLayout | None:
    placed = _placed(found, rank)
    if not placed or 0 in placed:
        return None
    if placed.keys() == {1} and target.dim() == 3 and target.shape[2] > 1:
        return _tokens(target, source)
    return _axes(target.dim(), found, placed, rank)


def _placed(found: dict[int, Numbers | None], rank: int) -> dict[int, list[int]]:
    """For each axis of a target that places lie along, those of the source."""
    known = {axis: number for axis, number in found.items() if number is not None and not number.mixed}
    along = {axis: [cell for cell in range(rank) if number.varies(cell)] for axis, number in known.items()}
    return {axis: cells for axis, cells in along.items() if cells}


def of_grids(counts: Iterable[int], grids: Sequence[tuple[int, ...]]) -> set[int]:
    """The lengths of sequences that may hold one of some grids, and a few tokens more."""
    sizes = {math.prod(grid) for grid in grids if min(grid) > 1}
    return {count for count in counts if any(0 <= count - size <= MAX_PREFIX for size in sizes)}


def lie_in_one_axis(target: Tensor, sources: Sequence[Source], rank: int) -> bool:
    """Whether the places of several axes of a source lie along one of the target's, and none along another."""
    sources = [source for source in sources if source.tensor.requires_grad and len(source.cells) == rank]
    axes = [axis for axis in range(1, target.dim()) if target.shape[axis] > 1]
    by_axis = {axis: numbers(target, axis, sources) for axis in axes} if sources and target.requires_grad else {}
    placed = [_placed({axis: by_axis[axis][place] for axis in by_axis}, rank) for place in range(len(sources))]
    return any(len(one) == 1 and max(map(len, one.values())) > 1 for one in placed)


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


def as_axes(layout: MapLayout, dims: int) -> Axes | None:
    """The axes of a tensor of so many dimensions that is no sequence of tokens; None where it is one."""
    if layout == Layout("channels_first"):
        return Axes(1, tuple(range(2, dims)))
    if layout == Layout("channels_last"):
        return Axes(dims - 1, tuple(range(1, dims - 1)))
    return layout if isinstance(layout, Axes) else None


def spelled(layout: MapLayout, shape: tuple[int, ...]) -> str:
    """As one would say it of a tensor of that shape."""
    if isinstance(layout, Layout) and layout.kind == "tokens":
        behind = shape[1] - layout.prefix - math.prod(layout.grid)
        return f"{{use: tokens, prefix: {layout.prefix}, grid: {list(layout.grid)}, suffix: {behind}}}"
    return layout.kind if isinstance(layout, Layout) else "{use: axes, order: NHW}"


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
