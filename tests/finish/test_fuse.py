"""One map from those of several layers."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from helpers.nets import PROPERTY
from xaikit_finish.fuse.max import Max
from xaikit_finish.fuse.mean import Mean
from xaikit_finish.fuse.product import Product
from xaikit_finish.fuse.sum import Sum

FUSERS = [Max(), Mean(), Product(), Sum()]
LOOPS = {Max: max, Mean: lambda values: sum(values) / len(values), Product: math.prod, Sum: sum}


def stack(layers: int, space: tuple[int, ...], seed: int = 0) -> Tensor:
    shape = (layers, 2, 3, *space)
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@PROPERTY
@given(st.sampled_from(FUSERS), st.integers(1, 4), st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple))
def test_place_by_place_over_the_layers(fuser: Any, layers: int, space: tuple[int, ...]) -> None:
    maps = stack(layers, space)
    expected = [LOOPS[type(fuser)](values) for values in maps.flatten(1).T.tolist()]
    fused = fuser.fuse(maps)
    assert fused.shape == (2, 3, *space)
    assert fused.flatten().tolist() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("fuser", FUSERS)
def test_the_order_of_the_layers_plays_no_part(fuser: Any) -> None:
    maps = stack(4, (3, 3))
    assert torch.allclose(fuser.fuse(maps.flip(0)), fuser.fuse(maps), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("fuser", FUSERS)
def test_one_layer_is_itself(fuser: Any) -> None:
    maps = stack(1, (3, 3))
    assert torch.equal(fuser.fuse(maps), maps[0])


@pytest.mark.parametrize("fuser", FUSERS)
def test_nan_of_one_layer_is_seen(fuser: Any) -> None:
    maps = stack(3, (4,))
    maps[1, 0, 0, 2] = torch.nan
    assert fuser.fuse(maps).isnan().nonzero().tolist() == [[0, 0, 2]]


def test_only_the_maximum_stays_in_range() -> None:
    assert [fuser.renormalize for fuser in FUSERS] == [False, True, True, True]
