"""Layouts from shapes alone, and every one of them undone: what lay at a place of the input lies there in the map."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from helpers.nets import PROPERTY
from xaikit.layouts import MAX_PREFIX, Layout, infer, keeps_aspect, stride

GRIDS = st.lists(st.integers(2, 9), min_size=1, max_size=3).map(tuple)
PLANES = st.lists(st.integers(2, 9), min_size=2, max_size=3).map(tuple)
PATCHES = st.sampled_from((1, 2, 4, 14, 16, 32))
CHANNELS = st.integers(1, 5)
PREFIXES = st.integers(0, MAX_PREFIX)


def numbered(*shape: int) -> Tensor:
    return torch.arange(math.prod(shape), dtype=torch.float64).view(shape)


def pixels(grid: tuple[int, ...], patch: int) -> tuple[int, ...]:
    return tuple(cells * patch for cells in grid)


# --- to_map


@PROPERTY
@given(GRIDS, CHANNELS)
def test_a_map_stays_itself(grid: tuple[int, ...], channels: int) -> None:
    tensor = numbered(2, channels, *grid)
    assert Layout().to_map(tensor) is tensor
    assert Layout().space(tuple(tensor.shape)) == grid


@PROPERTY
@given(GRIDS, CHANNELS)
def test_channels_last_is_moved_and_back(grid: tuple[int, ...], channels: int) -> None:
    maps = numbered(2, channels, *grid)
    tensor = maps.movedim(1, -1)
    assert torch.equal(Layout("channels_last").to_map(tensor), maps)
    assert Layout("channels_last").space(tuple(tensor.shape)) == grid


@PROPERTY
@given(GRIDS, CHANNELS, PREFIXES)
def test_tokens_are_laid_out_in_raster_order_behind_the_prefix(
    grid: tuple[int, ...], channels: int, prefix: int
) -> None:
    maps = numbered(2, channels, *grid)
    tokens = torch.cat([torch.full((2, prefix, channels), -1.0, dtype=maps.dtype), maps.flatten(2).mT], 1)
    layout = Layout("tokens", prefix, grid)
    assert torch.equal(layout.to_map(tokens), maps)
    assert layout.space(tuple(tokens.shape)) == grid


def test_a_map_is_a_view_of_the_tensor() -> None:
    tokens = numbered(1, 13, 2)
    Layout("tokens", 1, (3, 4)).to_map(tokens)[0, 1, 2, 3] = -1
    assert tokens[0, 12, 1] == -1


# --- infer


@PROPERTY
@given(GRIDS, PATCHES, st.integers(1, 3))
def test_channels_first_is_found_for_any_number_of_dimensions(grid: tuple[int, ...], patch: int, batch: int) -> None:
    assert infer((batch, 512, *grid), pixels(grid, patch)) == Layout("channels_first")


@PROPERTY
@given(PLANES, PATCHES)
def test_channels_last_is_found_where_the_channels_break_the_aspect(grid: tuple[int, ...], patch: int) -> None:
    assert infer((2, *grid, 512), pixels(grid, patch)) == Layout("channels_last")


@PROPERTY
@given(PLANES, PATCHES, PREFIXES)
def test_tokens_are_found_exactly_with_the_number_of_prefix_tokens(
    grid: tuple[int, ...], patch: int, prefix: int
) -> None:
    layout = infer((2, prefix + math.prod(grid), 512), pixels(grid, patch), hint=prefix)
    assert layout == Layout("tokens", prefix, grid)


@PROPERTY
@given(PLANES, PATCHES, PREFIXES, st.none() | st.integers(0, 2000))
def test_tokens_are_never_lost_whatever_the_hint(
    grid: tuple[int, ...], patch: int, prefix: int, hint: int | None
) -> None:
    count, space = prefix + math.prod(grid), pixels(grid, patch)
    layout = infer((2, count, 512), space, hint=hint)
    assert layout is not None
    assert layout.prefix + math.prod(layout.grid) == count
    assert keeps_aspect(layout.grid, space)
    assert min(layout.grid) > 1
    assert layout.to_map(torch.empty(2, count, 512)).shape == (2, 512, *layout.grid)


@PROPERTY
@given(st.integers(1, 400), PATCHES, st.integers(1, 400))
def test_one_dimension_needs_no_aspect(cells: int, patch: int, channels: int) -> None:
    assert infer((2, channels, cells), (cells * patch,)) == Layout("channels_first")


@pytest.mark.parametrize(
    ("shape", "space", "hint", "expected"),
    [
        ((1, 197, 768), (224, 224), None, Layout("tokens", 1, (14, 14))),
        ((1, 201, 768), (224, 224), None, Layout("tokens", 5, (14, 14))),
        ((1, 201, 768), (224, 224), 5, Layout("tokens", 5, (14, 14))),
        ((1, 261, 1024), (224, 224), None, Layout("tokens", 5, (16, 16))),
        ((1, 49, 768), (224, 224), None, Layout("tokens", 0, (7, 7))),
        ((1, 61, 192), (48, 320), None, Layout("tokens", 1, (3, 20))),
        ((1, 1568, 768), (8, 14, 14), None, Layout("tokens", 0, (8, 14, 14))),
        # a wrong hint is only a hint
        ((1, 197, 768), (224, 224), 2, Layout("tokens", 1, (14, 14))),
        ((1, 197, 768), (224, 224), 500, Layout("tokens", 1, (14, 14))),
        ((1, 7, 7, 768), (224, 224), None, Layout("channels_last")),
        ((1, 96, 2, 10), (48, 320), None, Layout("channels_first")),
        ((1, 2, 10, 96), (48, 320), None, Layout("channels_last")),
        # nothing tells the two apart: the usual one
        ((1, 7, 7, 7), (224, 224), None, Layout("channels_first")),
        # rounding up and down by strides that do not divide the input
        ((1, 64, 13, 13), (224, 224), None, Layout("channels_first")),
        ((1, 64, 8, 11), (227, 319), None, Layout("channels_first")),
    ],
)
def test_shapes_of_real_networks(
    shape: tuple[int, ...], space: tuple[int, ...], hint: int | None, expected: Layout | None
) -> None:
    assert infer(shape, space, hint) == expected


@pytest.mark.parametrize(
    ("shape", "space"),
    [
        ((1, 1000), (224, 224)),
        ((2, 5), ()),
        ((2, 5, 6), ()),
        ((1, 3, 10), (224, 224)),
        ((1, 1, 768), (224, 224)),
        ((1, 17, 768), (2240, 32)),
        ((1, 4, 4, 4, 4, 4), (8, 8)),
        ((), (8, 8)),
        ((1, 16), (16,)),
    ],
)
def test_what_has_no_map_has_no_layout(shape: tuple[int, ...], space: tuple[int, ...]) -> None:
    assert infer(shape, space) is None


# --- aspect and stride


@PROPERTY
@given(st.data(), st.integers(1, 3))
def test_an_aspect_does_not_depend_on_the_order_of_the_axes(data: st.DataObject, rank: int) -> None:
    sides = st.lists(st.integers(1, 12), min_size=rank, max_size=rank)
    grid, space = data.draw(sides), data.draw(sides)
    order = data.draw(st.permutations(range(rank)))
    turned = tuple(grid[axis] for axis in order), tuple(space[axis] for axis in order)
    assert keeps_aspect(tuple(grid), tuple(space)) == keeps_aspect(*turned)


def test_every_pair_of_axes_keeps_it() -> None:
    assert keeps_aspect((2, 4, 3), (2, 4, 3))
    assert not keeps_aspect((2, 3, 4), (2, 4, 3))


@PROPERTY
@given(st.tuples(st.integers(8, 640), st.integers(8, 640)), st.integers(1, 32))
def test_rounding_of_a_stride_up_or_down_keeps_the_aspect(space: tuple[int, int], step: int) -> None:
    for rounded in (tuple(side // step for side in space), tuple(-(-side // step) for side in space)):
        if min(rounded):
            assert keeps_aspect(rounded, space)


def test_stride_is_that_of_the_coarsest_axis() -> None:
    assert stride((7, 7), (224, 224)) == 32
    assert stride((4, 14), (224, 224)) == 56
    assert stride((3,), (10,)) == pytest.approx(10 / 3)
    assert math.isnan(stride((), ()))
