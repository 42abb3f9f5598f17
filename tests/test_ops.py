"""The algebra that methods share, against loops."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from nets import PROPERTY
from views import made_view
from xaikit.ops import combine, pool, weigh

SPACES = st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple)
SIZES = st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 4))


def normal(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def same(found: Tensor, expected: Tensor) -> bool:
    return found.shape == expected.shape and torch.allclose(found, expected, rtol=1e-12, atol=1e-12)


@PROPERTY
@given(SIZES, SPACES)
def test_pool_is_the_mean_over_space(sizes: tuple[int, int, int], space: tuple[int, ...]) -> None:
    samples, targets, channels = sizes
    evidence = normal(samples, targets, channels, *space)
    view = made_view(normal(samples, channels, *space))
    assert same(pool(evidence, view), evidence.flatten(3).sum(-1) / evidence.flatten(3).shape[-1])


@PROPERTY
@given(SIZES, SPACES)
def test_weigh_sums_the_channels_of_each_target(sizes: tuple[int, int, int], space: tuple[int, ...]) -> None:
    samples, targets, channels = sizes
    weights, activations = normal(samples, targets, channels), normal(samples, channels, *space)
    expected = torch.zeros(samples, targets, *space, dtype=torch.float64)
    for sample in range(samples):
        for target in range(targets):
            for channel in range(channels):
                expected[sample, target] += weights[sample, target, channel] * activations[sample, channel]
    found = weigh(weights, made_view(activations))
    assert same(found, expected)
    assert same(found, combine(weights.reshape(*sizes, *(1,) * len(space)) * activations.unsqueeze(1), _any_view()))


@PROPERTY
@given(SIZES, SPACES)
def test_combine_sums_the_channels(sizes: tuple[int, int, int], space: tuple[int, ...]) -> None:
    products = normal(*sizes, *space)
    found = combine(products, made_view(normal(sizes[0], sizes[2], *space)))
    assert same(found, torch.stack(list(products.unbind(2))).sum(0))


def test_nan_stays_in_its_sample_and_is_seen() -> None:
    activations = normal(2, 3, 4)
    activations[0, 1, 2] = torch.nan
    found = weigh(torch.ones(2, 1, 3, dtype=torch.float64), made_view(activations))
    assert found.isnan().nonzero().tolist() == [[0, 0, 2]]


def _any_view() -> Any:
    return made_view(normal(1, 1, 1))
