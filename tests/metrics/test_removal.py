"""Removal step by step: the exact attribution of an additive model is the best there is, and a constant map is at chance."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from xaikit.testing.judged import judged
from xaikit_metrics.deletion import Deletion
from xaikit_metrics.srg import SymmetricRelevanceGain


def additive(seed: int = 0) -> tuple[nn.Module, Tensor, Tensor]:
    """A linear model, one photograph, and what each place adds to its score where nothing stands for 0."""
    draw = torch.Generator().manual_seed(seed)
    image = torch.rand(1, 1, 6, 6, generator=draw, dtype=torch.float64)
    net = nn.Sequential(nn.Flatten(), nn.Linear(36, 2, bias=False)).double()
    with torch.no_grad():
        net[1].weight.copy_(torch.randn(2, 36, generator=draw, dtype=torch.float64))
    return net, image, (net[1].weight[0].reshape(1, 6, 6) * image[:, 0]).detach()


@pytest.mark.parametrize("metric", [Deletion, SymmetricRelevanceGain])
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
        SymmetricRelevanceGain(imputer="zero", block=2, steps=3, scored="logit"), net, image, exact, classes=[0]
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
