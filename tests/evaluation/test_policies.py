"""Which map a metric judges."""

from __future__ import annotations

import pytest
import torch
from scipy.stats import rankdata

from xaikit.evaluation.policies import at_input, blurred, judged, settled
from xaikit.metric import POLICIES

MAPS = torch.tensor([[[-2.0, 0.0], [1.0, 4.0]], [[3.0, 3.0], [3.0, 3.0]]], dtype=torch.float64)


def test_each_policy_is_what_it_says() -> None:
    assert torch.equal(judged(MAPS, "raw"), MAPS)
    assert torch.equal(judged(MAPS, "rectified"), MAPS.clamp(min=0))
    assert torch.equal(judged(MAPS, "minmax")[0], torch.tensor([[0, 0], [0.25, 1]], dtype=torch.float64))
    assert torch.equal(judged(MAPS, "ranks")[0], torch.tensor([[0, 1 / 3], [2 / 3, 1]], dtype=torch.float64))


def test_a_constant_map_is_0_between_its_ends_and_in_the_middle_by_rank() -> None:
    assert torch.equal(judged(MAPS, "minmax")[1], torch.zeros(2, 2, dtype=torch.float64))
    assert torch.equal(judged(MAPS, "ranks")[1], torch.full((2, 2), 0.5, dtype=torch.float64))


def test_ranks_share_their_places_as_midranks_do() -> None:
    maps = torch.randint(0, 5, (4, 7, 7), generator=torch.Generator().manual_seed(0)).double()
    expected = torch.stack([torch.from_numpy(rankdata(each.flatten()) - 1).reshape(7, 7) / 48 for each in maps])
    torch.testing.assert_close(judged(maps, "ranks"), expected)


@pytest.mark.parametrize("side", [14, 15, 33])
def test_maps_that_differ_by_a_factor_have_the_same_ranks(side: int) -> None:
    draw = torch.Generator().manual_seed(0)
    levels = torch.randint(-60, 60, (20, 7, 7), generator=draw) / 64
    levels[:, 0, 0] = 1
    one, other = (at_input([settled(levels * factor)], (side, side)) for factor in (0.0719, 3.5297))
    assert not torch.equal(one, other)
    assert torch.equal(judged(one, "ranks"), judged(other, "ranks"))


@pytest.mark.parametrize("policy", POLICIES)
def test_what_a_metric_gets_is_a_copy(policy: str) -> None:
    before = MAPS.clone()
    judged(MAPS, policy).fill_(7)  # type: ignore[arg-type]
    assert torch.equal(MAPS, before)


def test_several_layers_count_alike_whatever_their_units() -> None:
    one, other = torch.rand(1, 4, 4).double(), 1000 * torch.rand(1, 2, 2).double()
    both = at_input([one, other], (4, 4))
    torch.testing.assert_close(
        both, (at_input([one], (4, 4)) / one.max() + at_input([other], (4, 4)) / other.max()) / 2
    )


def test_equal_maps_that_differ_by_rounding_are_one() -> None:
    draw = torch.Generator().manual_seed(0)
    stored = torch.rand(50, 1, 7, 7, generator=draw)
    stored = (stored / stored.flatten(1).amax(1).reshape(-1, 1, 1, 1)).half().float()
    equal = sum(
        torch.equal(settled(maps * scale), settled(maps * (scale * (1 + 1e-6))))
        for maps, scale in zip(stored, torch.rand(50, generator=draw) + 0.1, strict=True)
    )
    assert equal > 45
    torch.testing.assert_close(settled(stored[0] * 0.3), stored[0].double() * 0.3, rtol=1e-4, atol=1e-5)
    assert torch.equal(settled(settled(stored[0])), settled(stored[0]))
    assert not settled(torch.zeros(1, 2, 2)).any()
    assert settled(torch.tensor([[torch.nan, 1.0]])).isnan().any(), "what is no number stays none"


def test_a_blurred_copy_keeps_a_constant_and_is_symmetric() -> None:
    torch.testing.assert_close(blurred(MAPS[1:]), MAPS[1:])
    dot = torch.zeros(1, 41, 41).double()
    dot[0, 20, 20] = 1
    spread = blurred(dot)[0]
    torch.testing.assert_close(spread, spread.flip(0))
    torch.testing.assert_close(spread, spread.T)
    assert float(spread.sum()) == pytest.approx(1)
