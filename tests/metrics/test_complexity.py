"""Metrics of the map alone, or of how much of it the score needs."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.stats import entropy as scipy_entropy
from torch import Tensor, nn

import xaikit
from xaikit.evaluation.judged import judged
from xaikit.registry import Registry
from xaikit_metrics.completeness import Completeness
from xaikit_metrics.effectivecomplexity import EffectiveComplexity
from xaikit_metrics.entropy import Entropy
from xaikit_metrics.sparseness import Sparseness


def additive() -> tuple[nn.Module, Tensor, Tensor]:
    """A linear model without bias, a photograph, and what each place adds to its score: all of it positive."""
    draw = torch.Generator().manual_seed(0)
    image = torch.rand(1, 1, 6, 5, generator=draw, dtype=torch.float64)
    net = nn.Sequential(nn.Flatten(), nn.Linear(30, 2, bias=False)).double()
    with torch.no_grad():
        net[1].weight.copy_(torch.rand(2, 30, generator=draw, dtype=torch.float64) ** 4)
    return net, image, (net[1].weight[0].reshape(1, 6, 5) * image[:, 0]).detach()


def test_entropy_is_that_of_shares() -> None:
    net, image, _ = additive()
    uniform = torch.ones(1, 6, 5, dtype=torch.float64)
    dot = torch.zeros(1, 6, 5, dtype=torch.float64)
    dot[0, 2, 3] = 4
    signed = torch.randn(1, 6, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert judged(Entropy(), net, image, uniform)[0].value == pytest.approx(math.log(30))
    assert judged(Entropy(), net, image, dot)[0].value == 0
    assert judged(Entropy("raw"), net, image, signed)[0].value == pytest.approx(scipy_entropy(signed.abs().flatten()))
    assert judged(Entropy(), net, image, signed)[0].value == pytest.approx(scipy_entropy(signed.relu().flatten()))
    dead = judged(Entropy(), net, image, -uniform)[0]
    assert math.isnan(dead.value)
    assert dead.reason == "the map is 0 everywhere"


def test_sparseness_is_the_mean_difference_of_two_places_in_units_of_twice_the_mean() -> None:
    """The other definition of the Gini index, sum_ij |m_i - m_j| / (2 d^2 mean m)."""
    net, image, _ = additive()
    maps = torch.randn(1, 6, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for metric, read in ((Sparseness(), maps.relu()), (Sparseness("raw"), maps.abs())):
        flat = read.flatten()
        expected = (flat[:, None] - flat[None]).abs().sum() / (2 * 30**2 * flat.mean())
        assert judged(metric, net, image, maps)[0].value == pytest.approx(float(expected))
    assert judged(Sparseness(), net, image, maps * 0 + 3)[0].value == pytest.approx(0)


@pytest.mark.parametrize("tolerance", [0.05, 0.3, 0.8])
def test_effective_complexity_is_the_least_share_that_keeps_the_score(tolerance: float) -> None:
    net, image, exact = additive()
    metric = EffectiveComplexity(imputer="zero", block=1, steps=30, scored="logit", tolerance=tolerance)
    ordered = exact.flatten().sort(descending=True).values
    total, least = float(ordered.sum()), 0
    while abs(total - float(ordered[:least].sum())) > tolerance * total:
        least += 1
    assert judged(metric, net, image, exact, classes=[0])[0].value == pytest.approx(least / 30)
    assert judged(metric, net, image, -exact, classes=[0])[0].value > least / 30


def test_where_nothing_is_needed_effective_complexity_is_zero() -> None:
    net, image, exact = additive()
    assert judged(EffectiveComplexity(tolerance=1.0, imputer="zero"), net, image, exact, classes=[0])[0].value == 0


def pooled(bias: bool) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return (
            nn.Sequential(
                nn.Conv2d(2, 4, 3, padding=1, bias=bias),
                nn.ReLU(),
                nn.AdaptiveAvgPool2d(1),
                nn.Flatten(),
                nn.Linear(4, 3),
            )
            .double()
            .eval()
        )


def raw(net: nn.Module, image: Tensor, layers: str | list[str]) -> dict[str, Tensor]:
    finish = {stage: "none" for stage in ("rectify", "normalize", "scale", "resize", "fuse")}
    hirescam = Registry().find("method", "hirescam").cls()
    return dict(xaikit.explain(net, image, {"one": hirescam}, layers=layers, target=1, finish=finish)["one"].maps)


def test_hirescam_is_complete_behind_a_linear_tail() -> None:
    image = torch.rand(3, 2, 7, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    net = pooled(bias=False)
    maps = raw(net, image, "1")["1"]
    values = [each.value for each in judged(Completeness(), net, image, maps, classes=[1] * 3)]
    assert values == pytest.approx([0] * 3, abs=1e-12)
    with torch.no_grad():
        added = net(image)[:, 1] - net(torch.zeros_like(image))[:, 1]
    halved = [each.value for each in judged(Completeness(), net, image, maps / 2, classes=[1] * 3)]
    assert halved == pytest.approx([0.5] * 3)
    biased = pooled(bias=True)
    with torch.no_grad():
        added = biased(image)[:, 1] - biased(torch.zeros_like(image))[:, 1]
    maps = raw(biased, image, "1")["1"]
    expected = ((maps.flatten(1).sum(1) - added).abs() / added.abs()).tolist()
    got = [each.value for each in judged(Completeness(), biased, image, maps, classes=[1] * 3)]
    assert got == pytest.approx(expected)
    assert min(got) > 1e-3


def test_a_photograph_that_adds_nothing_has_no_completeness() -> None:
    net = pooled(bias=False)
    nothing = torch.zeros(1, 2, 7, 6, dtype=torch.float64)
    (measure,) = judged(Completeness(), net, nothing, torch.rand(1, 7, 6, dtype=torch.float64), classes=[1])
    assert math.isnan(measure.value)
    assert measure.reason == "the photograph adds nothing to the score"


def test_what_rounding_may_have_added_is_nothing() -> None:
    net, image, exact = additive()
    bias = nn.Parameter(torch.full((2,), 1e9, dtype=torch.float64))
    net[1].bias = bias
    (measure,) = judged(Completeness(), net, image, exact, classes=[0])
    assert math.isnan(measure.value)
    assert measure.reason == "the photograph adds nothing to the score"
