"""The range of a map: bounds, sign, each map alone, and NaN in plain sight."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from helpers.nets import PROPERTY
from xaikit_finish.normalize.max import Max
from xaikit_finish.normalize.minmax import MinMax
from xaikit_finish.normalize.quantile import Quantile

VALUES = st.floats(-1e30, 1e30, allow_subnormal=False)
SPACES = st.lists(st.integers(1, 4), min_size=1, max_size=3)


@st.composite
def maps(draw: st.DrawFn) -> Tensor:
    """(N, T, *S) of one, two or three dimensions; NaN and infinity apart, any number."""
    shape = [draw(st.integers(1, 2)), draw(st.integers(1, 2)), *draw(SPACES)]
    cells = math.prod(shape)
    values = draw(st.lists(VALUES, min_size=cells, max_size=cells))
    return torch.tensor(values, dtype=torch.float64).view(shape)


def space(saliency: Tensor) -> tuple[int, ...]:
    return tuple(range(2, saliency.dim()))


@PROPERTY
@given(maps())
def test_max_bounds_every_map_by_one_and_reaches_it(saliency: Tensor) -> None:
    result = Max().normalize(saliency, space(saliency))
    peaks = result.flatten(2).abs().amax(-1)
    alive = saliency.flatten(2).abs().amax(-1) != 0
    assert torch.equal(peaks, alive.double())


@PROPERTY
@given(maps())
def test_max_keeps_the_sign_and_the_order(saliency: Tensor) -> None:
    result = Max().normalize(saliency, space(saliency))
    flat, before = result.flatten(2), saliency.flatten(2)
    assert bool((flat * before.sign() >= 0).all())
    assert bool((flat[before == 0] == 0).all())
    order = before.argsort(-1)
    assert bool((flat.gather(-1, order).diff(dim=-1) >= 0).all())


@PROPERTY
@given(maps(), st.integers(-20, 20))
def test_max_does_not_depend_on_the_scale_and_once_is_enough(saliency: Tensor, power: int) -> None:
    result = Max().normalize(saliency, space(saliency))
    assert torch.equal(Max().normalize(saliency * 2.0**power, space(saliency)), result)
    assert torch.equal(Max().normalize(result, space(saliency)), result)
    assert torch.equal(Max().normalize(-saliency, space(saliency)), -result)


@PROPERTY
@given(maps())
def test_minmax_stretches_to_zero_and_one(saliency: Tensor) -> None:
    flat = MinMax().normalize(saliency, space(saliency)).flatten(2)
    uneven = saliency.flatten(2).amax(-1) != saliency.flatten(2).amin(-1)
    assert torch.equal(flat.amin(-1), torch.zeros_like(uneven, dtype=torch.float64))
    assert torch.equal(flat.amax(-1), uneven.double())


@pytest.mark.parametrize("normalizer", [Max(), MinMax()])
def test_each_map_is_normalized_alone(normalizer: Max | MinMax) -> None:
    generator = torch.Generator().manual_seed(0)
    saliency = torch.randn(2, 3, 4, 5, generator=generator) * torch.tensor([1e-6, 1.0, 1e6]).view(1, 3, 1, 1)
    together = normalizer.normalize(saliency, (2, 3))
    for sample in range(2):
        for target in range(3):
            alone = saliency[sample : sample + 1, target : target + 1]
            assert torch.equal(normalizer.normalize(alone, (2, 3))[0, 0], together[sample, target])


def test_an_even_map_matters_everywhere_by_max_and_nowhere_by_minmax() -> None:
    even = torch.full((1, 1, 2, 2), 5.0)
    assert Max().normalize(even, (2, 3)).eq(1).all()
    assert Max().normalize(-even, (2, 3)).eq(-1).all()
    assert MinMax().normalize(even, (2, 3)).eq(0).all()


@pytest.mark.parametrize("normalizer", [Max(), MinMax()])
@pytest.mark.parametrize("tiny", [1e-30, 1e-38])
def test_small_gradients_need_no_epsilon(normalizer: Max | MinMax, tiny: float) -> None:
    saliency = torch.tensor([0.0, 1.0, 2.0, 4.0]).view(1, 1, 4) * tiny
    expected = torch.tensor([0.0, 0.25, 0.5, 1.0])
    assert torch.allclose(normalizer.normalize(saliency, (2,)).flatten(), expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("normalizer", [Max(), MinMax()])
def test_nan_spoils_its_own_map_and_no_other(normalizer: Max | MinMax) -> None:
    saliency = torch.tensor([[[1.0, torch.nan, 2.0]], [[0.0, 1.0, 2.0]]])
    result = normalizer.normalize(saliency, (2,))
    assert result[0].isnan().all()
    assert result[1].tolist() == [[0.0, 0.5, 1.0]]


@pytest.mark.parametrize("normalizer", [Max(), MinMax()])
def test_infinity_does_not_pass_for_a_finite_map(normalizer: Max | MinMax) -> None:
    assert normalizer.normalize(torch.tensor([[[1.0, torch.inf, 2.0]]]), (2,)).isnan().any()


def test_quantile_cuts_off_what_towers_above_the_rest() -> None:
    saliency = torch.cat([torch.linspace(-1, 1, 99, dtype=torch.float64), torch.tensor([50.0])]).reshape(1, 1, 10, 10)
    result = Quantile(share=0.9).normalize(saliency, (2, 3))
    peak = saliency.abs().flatten().sort().values[89]
    assert torch.allclose(result, (saliency / peak).clamp(-1, 1))
    assert float(Quantile(share=1.0).normalize(saliency, (2, 3)).abs().max()) == 1
    assert torch.equal(Quantile(share=1.0).normalize(saliency, (2, 3)), Max().normalize(saliency, (2, 3)))


def test_quantile_of_a_map_of_few_places_is_of_its_largest_and_each_map_is_alone() -> None:
    saliency = torch.zeros(2, 1, 10, 10)
    saliency[0, 0, 3, 4] = -5
    result = Quantile(share=0.5).normalize(saliency, (2, 3))
    assert float(result[0, 0, 3, 4]) == -1
    assert int((result != 0).sum()) == 1


def test_quantile_keeps_nan_in_sight() -> None:
    saliency = torch.rand(1, 1, 10, 10)
    saliency[0, 0, 0, 0] = math.nan
    result = Quantile(share=0.9).normalize(saliency, (2, 3))
    assert bool(result[0, 0, 0, 0].isnan())
    assert int(result.isnan().sum()) == 1


@pytest.mark.parametrize("share", [0.0, 1.5, -1.0, math.nan])
def test_quantile_of_what_is_no_share(share: float) -> None:
    with pytest.raises(ValueError, match="share: expected above 0 and at most 1"):
        Quantile(share=share)
