"""Metrics of localisation beside Quantus' formulas: equal where those are right, and where not, what they say is pinned."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from quantus.metrics.localisation import PointingGame as QuantusPointing
from quantus.metrics.localisation import RelevanceMassAccuracy, RelevanceRankAccuracy
from torch import Tensor, nn

from xaikit.evaluation.judged import judged
from xaikit.metric import Annotation
from xaikit_metrics.energypointing import EnergyPointing
from xaikit_metrics.pointinggame import PointingGame
from xaikit_metrics.relevancerank import RelevanceRank

SIDE = 12


class Net(nn.Module):
    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.flatten(1)[:, :4]


def drawn(count: int = 6) -> tuple[Tensor, Tensor]:
    """Maps without ties, and where objects are."""
    draw = torch.Generator().manual_seed(0)
    maps = torch.rand(count, SIDE, SIDE, dtype=torch.float64, generator=draw)
    return maps, torch.rand(count, SIDE, SIDE, generator=draw) > 0.7


def ours(metric: Any, maps: Tensor, masks: Tensor) -> list[float]:
    stated = [Annotation(torch.zeros(0, 4), mask=mask) for mask in masks]
    images = torch.zeros(len(maps), 1, SIDE, SIDE, dtype=torch.float64)
    return [each.value for each in judged(metric, Net(), images, maps, annotations=stated)]


def theirs(metric: type, maps: Tensor, masks: Tensor) -> Any:
    made = metric(disable_warnings=True, normalise=False)
    return made.evaluate_batch(a_batch=maps.numpy()[:, None], s_batch=masks.numpy()[:, None])


@pytest.mark.parametrize(
    ("metric", "peer"),
    [
        (EnergyPointing(), RelevanceMassAccuracy),
        (RelevanceRank(), RelevanceRankAccuracy),
        (PointingGame(tolerance=0), QuantusPointing),
    ],
    ids=lambda each: type(each).__name__,
)
def test_equal_where_nothing_ties(metric: Any, peer: type) -> None:
    maps, masks = drawn()
    assert ours(metric, maps, masks) == pytest.approx(np.asarray(theirs(peer, maps, masks), float))


def test_a_constant_map_always_wins_their_pointing_game_and_so_does_a_photograph_without_an_object() -> None:
    _, masks = drawn(2)
    masks[1] = False
    constant = torch.ones(2, SIDE, SIDE, dtype=torch.float64)
    assert list(theirs(QuantusPointing, constant, masks)) == [True, True]
    hit, nothing = ours(PointingGame(tolerance=0), constant, masks)
    assert hit == pytest.approx(float(masks[0].double().mean()))
    assert np.isnan(nothing)


def test_their_ranks_of_equal_places_fall_in_the_order_of_the_rows() -> None:
    masks = torch.zeros(2, SIDE, SIDE, dtype=torch.bool)
    masks[0, : SIDE // 4], masks[1, -(SIDE // 4) :] = True, True
    constant = torch.ones(2, SIDE, SIDE, dtype=torch.float64)
    first, last = theirs(RelevanceRankAccuracy, constant, masks)
    assert first != pytest.approx(last), "the same object above and below"
    assert ours(RelevanceRank(), constant, masks) == pytest.approx([0.25, 0.25])
