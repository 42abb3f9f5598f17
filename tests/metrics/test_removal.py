"""Removal step by step: the exact attribution of an additive model is the best there is, and a constant map is at chance."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from helpers.additive import additive
from xaikit.evaluation.judged import judged
from xaikit.targets import FunctionTarget
from xaikit_metrics.deletion import Deletion
from xaikit_metrics.insertion import Insertion
from xaikit_metrics.irof import Irof
from xaikit_metrics.pixelflipping import PixelFlipping
from xaikit_metrics.road import Road
from xaikit_metrics.srg import SymmetricRelevanceGain


@pytest.mark.parametrize("metric", [Deletion, Insertion, PixelFlipping, SymmetricRelevanceGain])
def test_no_order_is_better_than_that_of_the_exact_attribution(metric: type) -> None:
    net, image, exact = additive()
    judge = metric(imputer="zero", block=1, steps=36, scored="logit")
    best = judged(judge, net, image, exact, classes=[0])[0].value
    draw = torch.Generator().manual_seed(1)
    others = [torch.randn(1, 6, 6, generator=draw, dtype=torch.float64) for _ in range(50)]
    values = [judged(judge, net, image, other, classes=[0])[0].value for other in others]
    sign = 1 if judge.higher_is_better else -1
    assert sign * best > max(sign * value for value in values)


def test_the_curves_end_at_the_photograph_and_at_nothing_of_it() -> None:
    net, image, exact = additive()
    numbers = judged(
        SymmetricRelevanceGain(imputer="zero", block=1, steps=3, scored="logit"), net, image, exact, classes=[0]
    )
    curves = numbers[0].numbers
    assert curves is not None
    whole = float(net(image).detach()[0, 0])
    for name in ("least_first", "most_first"):
        curve = curves[name]
        assert isinstance(curve, list)
        assert curve[0] == pytest.approx(whole)
        assert curve[-1] == pytest.approx(0)
    assert curves["ties"] == 0


def test_a_constant_map_is_at_chance_in_the_mean() -> None:
    net, image, _ = additive()
    images, ids = image.expand(200, 1, 6, 6), [f"photograph {number}" for number in range(200)]
    measures = judged(
        SymmetricRelevanceGain(imputer="zero", block=1, steps=12, scored="logit"),
        net,
        images,
        torch.ones(200, 6, 6, dtype=torch.float64),
        classes=[0] * 200,
        ids=ids,
    )
    values = torch.tensor([each.value for each in measures])
    assert values.std() > 0
    assert abs(values.mean()) < 3 * values.std() / 200**0.5
    assert all(each.numbers == {**(each.numbers or {}), "ties": 1.0} for each in measures)


def test_insertion_is_half_of_the_gain_and_costs_nothing_beside_it() -> None:
    net, image, exact = additive()
    options: dict[str, Any] = {"imputer": "mean", "block": 1, "steps": 7, "scored": "logit"}
    gain, back, away = (
        judged(metric(**options), net, image, exact, classes=[0])[0].value
        for metric in (SymmetricRelevanceGain, Insertion, Deletion)
    )
    assert gain == pytest.approx(back - away)


def test_pixel_flipping_is_the_mean_of_what_is_lost() -> None:
    net, image, exact = additive()
    (measure,) = judged(
        PixelFlipping(imputer="zero", block=1, steps=36, scored="logit"), net, image, exact, classes=[0]
    )
    ordered = exact.flatten().sort(descending=True).values
    lost = torch.cat([torch.zeros(1), ordered.cumsum(0)])
    assert measure.value == pytest.approx(float(lost.mean()))


@pytest.mark.parametrize("metric", [Deletion, Insertion, PixelFlipping, SymmetricRelevanceGain, Road, Irof])
def test_neither_the_batch_nor_a_monotone_map_of_the_map_changes_a_value(metric: type) -> None:
    draw = torch.Generator().manual_seed(3)
    images = torch.rand(4, 1, 6, 6, generator=draw, dtype=torch.float64)
    maps = torch.randn(4, 6, 6, generator=draw, dtype=torch.float64)
    net, judge = (
        additive()[0],
        metric(block=2, steps=4, **({"reads": "ranks", "segments": "grid"} if metric is Irof else {})),
    )
    together = [each.value for each in judged(judge, net, images, maps, ids=list("abcd"))]
    alone = [
        judged(judge, net, images[row : row + 1], maps[row : row + 1].exp(), ids=["abcd"[row]])[0].value
        for row in range(4)
    ]
    assert together == pytest.approx(alone, rel=1e-12)


def test_a_target_without_probability_is_undefined_with_the_reason() -> None:
    net, image, exact = additive()
    (measure,) = judged(Insertion(block=2), net, image, exact, target=FunctionTarget(lambda output: output[:, 0]))
    assert math.isnan(measure.value)
    assert measure.reason.startswith("the target has no probability: it is no class")


@pytest.mark.parametrize("most_first", [True, False])
def test_a_curve_is_that_of_its_definition(most_first: bool) -> None:
    """Block by block, of sides that no block divides, and steps that do not divide the number of blocks."""
    draw = torch.Generator().manual_seed(7)
    image, saliency = torch.rand(1, 2, 7, 5, generator=draw, dtype=torch.float64), torch.randn(7, 5, generator=draw)
    weight = torch.randn(70, 3, generator=draw, dtype=torch.float64)

    def probability(each: Tensor) -> float:
        return float((each.flatten() @ weight).softmax(0)[1])

    places = list(itertools.product(range(7), range(5)))
    rank = {place: sum(bool(saliency[other] < saliency[place]) for other in places) for place in places}
    blocks: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for row, column in places:
        blocks.setdefault((row // 2, column // 2), []).append((row, column))
    means = {block: sum(rank[place] for place in inside) / len(inside) for block, inside in blocks.items()}
    assert len(set(means.values())) == len(blocks), "no ties"
    order = sorted(blocks, key=lambda block: means[block], reverse=most_first)
    expected = []
    for step in range(6):
        left = image[0].clone()
        for block in order[: math.floor(step * len(order) / 5 + 0.5)]:
            for row, column in blocks[block]:
                left[:, row, column] = image[0].mean((1, 2))
        expected.append(probability(left))

    class Net(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.flatten(1) @ weight

    kind, name = (Deletion, "most_first") if most_first else (Insertion, "least_first")
    (measure,) = judged(
        kind(imputer="mean", block=2, steps=5), Net(), image, saliency.unsqueeze(0).double(), classes=[1]
    )
    assert (measure.numbers or {})[name] == pytest.approx(expected)
    area = sum((one + other) / 2 for one, other in itertools.pairwise(expected)) / 5
    assert measure.value == pytest.approx(area)
