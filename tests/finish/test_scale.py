"""LayerCAM's scaling of shallow taps."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from helpers.nets import PROPERTY
from xaikit_finish.scale.smooth import Smooth
from xaikit_finish.scale.tanh import Tanh


@PROPERTY
@given(st.floats(0.01, 50), st.lists(st.floats(-1, 1), min_size=1, max_size=9))
def test_it_is_tanh_of_gamma_times_the_map(gamma: float, values: list[float]) -> None:
    saliency = torch.tensor(values, dtype=torch.float64)
    scaled = Tanh(gamma).scale(saliency, 4.0)
    assert scaled.tolist() == pytest.approx([math.tanh(gamma * value) for value in values], rel=1e-12, abs=1e-300)
    assert torch.equal(Tanh(gamma).scale(-saliency, 4.0), -scaled)
    assert scaled.abs().max() <= 1


def test_the_papers_gamma_maps_the_peak_to_096() -> None:
    assert Tanh() == Tanh(gamma=2.0, max_stride=None)
    assert Tanh().scale(torch.ones(1), 32.0).item() == pytest.approx(0.964, abs=1e-3)


@pytest.mark.parametrize(
    ("max_stride", "stride", "bent"), [(4, 4, True), (4, 2, True), (4, 4.01, False), (4, 32, False), (None, 1e9, True)]
)
def test_only_taps_up_to_the_stride_are_bent(max_stride: float | None, stride: float, bent: bool) -> None:
    saliency = torch.tensor([0.25, 0.5])
    scaled = Tanh(max_stride=max_stride).scale(saliency, stride)
    assert torch.equal(scaled, (2 * saliency).tanh() if bent else saliency)


def test_nan_stays_nan() -> None:
    assert Tanh().scale(torch.tensor([torch.nan, 0.0]), 4.0).isnan().tolist() == [True, False]


@pytest.mark.parametrize("gamma", [0.0, -1.0, math.inf, math.nan])
def test_a_gamma_that_bends_nothing_is_refused(gamma: float) -> None:
    with pytest.raises(ValueError, match=rf"^gamma: expected a number above 0, got {gamma}$"):
        Tanh(gamma)


def test_smooth_spreads_a_place_and_keeps_the_sum() -> None:
    saliency = torch.zeros(1, 1, 41, 31, dtype=torch.float64)
    saliency[..., 20, 15] = 1
    spread = Smooth(sigma=0.05).scale(saliency, 1.0)
    assert float(spread.sum()) == pytest.approx(1)
    assert float(spread.max()) == float(spread[..., 20, 15]) < 0.2
    assert torch.allclose(spread, spread.flip(2).flip(3))


def test_smooth_leaves_coarse_layers_alone_where_it_is_said() -> None:
    saliency = torch.rand(1, 1, 7, 7)
    assert torch.equal(Smooth(max_stride=8).scale(saliency, 32.0), saliency)
    assert not torch.allclose(Smooth(sigma=0.2, max_stride=8).scale(saliency, 8.0), saliency)


@pytest.mark.parametrize("sigma", [0.0, -1.0, float("inf"), float("nan")])
def test_smooth_needs_a_deviation(sigma: float) -> None:
    with pytest.raises(ValueError, match="sigma: expected a number above 0"):
        Smooth(sigma=sigma)
