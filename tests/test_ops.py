"""The algebra that methods share, against loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from helpers.nets import PROPERTY
from helpers.views import made_view
from xaikit import ConfigError
from xaikit.ops import combine, pool, principal, superpixels, weigh

SPACES = st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple)
SIZES = st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 4))


def normal(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def same(actual: Tensor, expected: Tensor) -> bool:
    return actual.shape == expected.shape and torch.allclose(actual, expected, rtol=1e-12, atol=1e-12)


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
    saliency = weigh(weights, made_view(activations))
    assert same(saliency, expected)
    assert same(saliency, combine(weights.reshape(*sizes, *(1,) * len(space)) * activations.unsqueeze(1), _any_view()))


@PROPERTY
@given(SIZES, SPACES)
def test_combine_sums_the_channels(sizes: tuple[int, int, int], space: tuple[int, ...]) -> None:
    products = normal(*sizes, *space)
    saliency = combine(products, made_view(normal(sizes[0], sizes[2], *space)))
    assert same(saliency, torch.stack(list(products.unbind(2))).sum(0))


def test_nan_stays_in_its_sample_and_is_seen() -> None:
    activations = normal(2, 3, 4)
    activations[0, 1, 2] = torch.nan
    saliency = weigh(torch.ones(2, 1, 3, dtype=torch.float64), made_view(activations))
    assert saliency.isnan().nonzero().tolist() == [[0, 0, 2]]


def test_weights_in_a_higher_precision_raise_the_map() -> None:
    """Scores are float32 at least, where the activations of a half-precision layer are not."""
    activations = normal(2, 3, 4).bfloat16()
    saliency = weigh(torch.ones(2, 1, 3), made_view(activations))
    assert saliency.dtype is torch.float32
    assert torch.allclose(saliency, activations.float().sum(1, keepdim=True))


CENTER = pytest.mark.parametrize("center", [False, True])


@CENTER
@PROPERTY
@given(SIZES, SPACES)
def test_principal_is_the_full_singular_value_decomposition_up_to_sign(
    center: bool, sizes: tuple[int, int, int], space: tuple[int, ...]
) -> None:
    """More places than channels, fewer, and as many: both Gram matrices are taken."""
    evidence = normal(*sizes, *space)
    saliency = principal(evidence, center)
    assert saliency.shape == (*sizes[:2], *space)
    for sample, target in np.ndindex(sizes[:2]):
        rows = evidence[sample, target].flatten(1).T.numpy()
        rows = rows - rows.mean(0) if center else rows
        projection = rows @ np.linalg.svd(rows, full_matrices=True)[2][0]
        mine = saliency[sample, target].flatten().numpy()
        assert min(np.abs(mine - projection).max(), np.abs(mine + projection).max()) <= 1e-10


@CENTER
def test_principal_agrees_with_the_mean_over_channels_whatever_the_sign_of_the_evidence(center: bool) -> None:
    """The map of -A is therefore minus that of A; without the rule it would be the same or not, by chance."""
    evidence = normal(40, 1, 3, 5)
    saliency = principal(evidence, center)
    assert ((saliency * evidence.mean(2)).sum(-1) >= 0).all()
    assert torch.allclose(principal(-evidence, center), -saliency, rtol=1e-12, atol=1e-12)
    assert torch.allclose(principal(evidence.flip(3), center), saliency.flip(2), rtol=1e-12, atol=1e-12)


def test_principal_of_evidence_that_is_not_negative_is_nowhere_negative() -> None:
    assert (principal(normal(5, 2, 4, 3, 3).abs()) > 0).all()


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("channels", [2, 9])
def test_principal_spoils_only_the_sample_and_target_that_is_not_finite(channels: int, value: float) -> None:
    evidence = normal(3, 2, channels, 5)
    clean = principal(evidence)
    evidence[1, 0, 1, 2] = value
    saliency = principal(evidence)
    assert saliency[1, 0].isnan().all()
    saliency[1, 0] = clean[1, 0]
    assert torch.equal(saliency, clean)


def test_principal_of_nothing_is_nothing() -> None:
    assert torch.equal(principal(torch.zeros(2, 1, 3, 4)), torch.zeros(2, 1, 4))


@pytest.mark.parametrize("unit", [1e-30, 1e30])
def test_principal_neither_underflows_nor_overflows(unit: float) -> None:
    evidence = normal(2, 1, 3, 4).float()
    assert torch.allclose(principal(evidence * unit) / unit, principal(evidence), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_principal_raises_half_precision_to_float32(dtype: torch.dtype) -> None:
    evidence = normal(2, 1, 3, 4).to(dtype)
    saliency = principal(evidence)
    assert saliency.dtype is torch.float32
    assert torch.equal(saliency, principal(evidence.float()))


def _any_view() -> Any:
    return made_view(normal(1, 1, 1))


def test_superpixels_of_what_is_not_finite_and_of_three_axes() -> None:
    photograph = torch.full((1, 2, 8, 8), torch.nan)
    assert superpixels(photograph, 4).shape == (1, 8, 8)
    volume = torch.zeros(2, 1, 8, 8, 8)
    volume[1, ..., 4:] = 1
    labels = superpixels(volume, 8)
    assert labels.shape == (2, 8, 8, 8)
    assert set(labels[1, ..., :4].unique().tolist()).isdisjoint(labels[1, ..., 4:].unique().tolist())


def test_a_series_has_no_superpixels() -> None:
    with pytest.raises(ConfigError, match="slic: expected two or three axes of space, got 1"):
        superpixels(torch.zeros(1, 2, 8), 4)
