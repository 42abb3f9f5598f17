"""Noisy linear imputation, restated slowly, and ROAD on top of it."""

from __future__ import annotations

import math
from itertools import product
from typing import get_args, get_type_hints

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from helpers.additive import additive
from xaikit.evaluation.judged import judged
from xaikit_metrics._road import NOISE, LinearImputation, _equations
from xaikit_metrics.averagedrop import AverageDrop
from xaikit_metrics.road import Road
from xaikit_metrics.srg import SymmetricRelevanceGain


def restated(image: np.ndarray, gone: np.ndarray) -> np.ndarray:
    """The definition, one equation a removed pixel, dense: the weighted mean of the neighbours that there are."""
    places = [tuple(place) for place in np.argwhere(gone)]
    filled = image.copy()
    for channel in range(len(image)):
        matrix, right = np.eye(len(places)), np.zeros(len(places))
        for row, (y, x) in enumerate(places):
            near = [(y + down, x + along) for down, along in product((-1, 0, 1), repeat=2) if down or along]
            weights = {
                (v, u): 1 / 6 if v == y or u == x else 1 / 12
                for v, u in near
                if 0 <= v < gone.shape[0] and 0 <= u < gone.shape[1]
            }
            for place, weight in weights.items():
                share = weight / sum(weights.values())
                if gone[place]:
                    matrix[row, places.index(place)] -= share
                else:
                    right[row] += share * image[channel][place]
        for place, value in zip(places, np.linalg.solve(matrix, right), strict=True):
            filled[channel][place] = value
    return filled


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.97])
def test_imputation_is_the_solution_of_its_definition(share: float) -> None:
    draw = torch.Generator().manual_seed(0)
    image = torch.rand(2, 3, 9, 7, generator=draw, dtype=torch.float64)
    gone = torch.rand(2, 2, 9, 7, generator=draw) < share
    filled = LinearImputation(image, torch.zeros_like(image))(gone)
    for row, number in product(range(2), range(2)):
        expected = restated(image[row].numpy(), gone[row, number].numpy())
        assert filled[row, number].numpy() == pytest.approx(expected, abs=1e-12)


def test_what_is_not_removed_stays_and_the_rest_has_noise() -> None:
    image, noise = torch.rand(1, 3, 40, 40), torch.randn(1, 3, 40, 40)
    gone = torch.rand(1, 2, 40, 40) < 0.5
    filled = LinearImputation(image, noise)(gone)
    smooth = LinearImputation(image, noise * 0)(gone)
    kept = ~gone.unsqueeze(2).expand_as(filled)
    assert torch.equal(filled[kept], image.unsqueeze(1).expand_as(filled)[kept])
    assert torch.allclose((filled - smooth)[~kept], NOISE * noise.unsqueeze(1).expand_as(filled)[~kept], atol=1e-6)


@pytest.mark.parametrize("space", [(11,), (6, 5), (4, 3, 5)])
def test_a_constant_photograph_stays_constant_in_any_space(space: tuple[int, ...]) -> None:
    image = torch.full((1, 2, *space), 3.0, dtype=torch.float64)
    gone = torch.rand(1, 4, *space) < 0.7
    gone[:, 3] = True  # nothing is left: the mean of the channel stands
    assert torch.allclose(LinearImputation(image, image * 0)(gone), image.unsqueeze(1))


def test_places_are_eliminated_in_an_order_that_has_each_once() -> None:
    laplacian, order = _equations((30, 17))
    assert sorted(order.tolist()) == list(range(30 * 17))
    assert abs(laplacian - laplacian.T).max() == 0
    assert abs(laplacian.sum(1)).max() < 1e-12


def slow_road(net: nn.Module, image: Tensor, saliency: Tensor, noise: Tensor, order: str) -> float:
    """ROAD by its definition: nine masks by rank, each imputed alone."""
    places = saliency.flatten().argsort(descending=True)
    score = net(image).detach().softmax(1)[0, 0].item()
    values = []
    for tenth in range(1, 10):
        number = int(len(places) * tenth / 10 + 0.5)
        removed = places[:number] if order == "morf" else places.flip(0)[:number]
        gone = np.zeros(len(places), dtype=bool)
        gone[removed.numpy()] = True
        gone = gone.reshape(tuple(image.shape[2:]))
        filled = restated(image[0].numpy(), gone) + 0.01 * noise.numpy() * gone
        values.append(net(torch.from_numpy(filled)[None]).detach().softmax(1)[0, 0].item())
    lost: float = score - float(np.mean(values))
    return lost if order == "morf" else -lost


def test_road_is_that_of_its_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    net, image, exact = additive()
    monkeypatch.setattr("xaikit_metrics._road.NOISE", 0.0)
    slow = {order: slow_road(net, image, exact[0], image[0] * 0, order) for order in ("morf", "lerf")}
    slow["combined"] = (slow["morf"] + slow["lerf"]) / 2
    for order, expected in slow.items():
        (measure,) = judged(Road(order=order), net, image, exact, classes=[0])  # type: ignore[arg-type]
        assert measure.value == pytest.approx(expected, abs=1e-9)
        assert (measure.chance == 0) == (order == "combined")


def test_least_first_removes_all_that_most_first_does_not() -> None:
    """Of a map that is 0 in most places too, where a threshold removes all or nothing."""
    seen: list[Tensor] = []

    class Watching(nn.Module):
        def forward(self, image: Tensor) -> Tensor:
            seen.append((image - photograph).abs().sum(1) > 0)
            return image.flatten(1)[:, :2]

    photograph = torch.rand(1, 1, 10, 10, dtype=torch.float64)
    sparse = torch.zeros(1, 10, 10, dtype=torch.float64)
    sparse[0, 2, 3:8] = torch.arange(1.0, 6.0, dtype=torch.float64)
    judged(Road(imputer="noise"), Watching(), photograph, sparse, classes=[0])
    masks = torch.cat(seen)
    masks = masks[masks.flatten(1).any(1)]
    assert masks.flatten(1).sum(1).tolist() == [*range(10, 100, 10)] * 2
    most, least = masks[:9], masks[9:]
    for number in range(9):
        assert torch.equal(most[number], ~least[8 - number])


def test_road_is_an_imputer_of_every_removal_and_no_filling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xaikit_metrics._road.NOISE", 0.0)
    net, image, exact = additive()
    (measure,) = judged(SymmetricRelevanceGain(imputer="road", block=2, steps=4), net, image, exact, classes=[0])
    numbers = measure.numbers or {}
    blank = image.mean((2, 3), keepdim=True).expand_as(image)
    assert numbers["least_first"][-1] == pytest.approx(net(blank).detach().softmax(1)[0, 0].item(), abs=1e-9)  # type: ignore[index]
    assert math.isfinite(measure.value)
    assert "road" not in get_args(get_type_hints(AverageDrop)["imputer"])


def test_road_needs_something_in_between() -> None:
    with pytest.raises(ValueError, match="steps: expected 2 or more, between which something is left, got 1"):
        Road(steps=1)
