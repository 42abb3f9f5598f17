"""What a map gives to parts of a photograph, and what the score loses without them."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from helpers.additive import Constant, additive
from xaikit.draws import seeded
from xaikit.evaluation.judged import judged
from xaikit_metrics.faithfulnesscorrelation import FaithfulnessCorrelation
from xaikit_metrics.infidelity import Infidelity
from xaikit_metrics.monotonicity import Monotonicity
from xaikit_metrics.saco import Saco
from xaikit_metrics.sensitivityn import SensitivityN

EXACT: dict[str, Any] = {"imputer": "zero", "block": 1, "scored": "logit"}
SUBSETS = [FaithfulnessCorrelation, SensitivityN, Infidelity]
ALL = [*SUBSETS, Saco, Monotonicity]


def value_of(metric: Any, saliency: Tensor, **options: Any) -> float:
    net, image, _ = additive(**options)
    return judged(metric, net, image, saliency, classes=[0])[0].value


@pytest.mark.parametrize("metric", [FaithfulnessCorrelation, SensitivityN, Saco, Monotonicity])
def test_the_exact_attribution_of_an_additive_model_is_perfect(metric: type) -> None:
    net, image, exact = additive()
    for unit in (1.0, 1e-3, 250.0):
        assert judged(metric(**EXACT), net, image, exact * unit, classes=[0])[0].value == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("metric", [FaithfulnessCorrelation, SensitivityN, Saco])
def test_its_opposite_is_as_wrong_as_can_be(metric: type) -> None:
    net, image, exact = additive()
    assert judged(metric(**EXACT), net, image, -exact, classes=[0])[0].value == pytest.approx(-1, abs=1e-9)


@pytest.mark.parametrize("unit", [1.0, -3.0, 100.0])
def test_infidelity_of_the_exact_attribution_is_nothing_up_to_its_scale(unit: float) -> None:
    net, image, exact = additive()
    (measure,) = judged(Infidelity(**EXACT), net, image, exact * unit, classes=[0])
    numbers = measure.numbers or {}
    assert measure.value == pytest.approx(0, abs=1e-20)
    assert numbers["scale"] == pytest.approx(1 / unit)
    (raw,) = judged(Infidelity(**EXACT, scaled=False), net, image, exact * unit, classes=[0])
    assert raw.value == numbers["unscaled"]
    assert (raw.value < 1e-20) == (unit == 1)


def test_no_other_scale_is_better_than_the_closed_form() -> None:
    net, image, _ = additive()
    saliency = torch.randn(1, 6, 6, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    (best,) = judged(Infidelity(**EXACT), net, image, saliency, classes=[0])
    scale = float((best.numbers or {})["scale"])  # type: ignore[arg-type]
    for factor in (0.5, 0.9, 1.1, 2.0, -1.0):
        assert value_of(Infidelity(**EXACT, scaled=False), saliency * scale * factor) > best.value


def test_infidelity_is_at_chance_for_a_constant_map_whatever_the_constant() -> None:
    net, image, exact = additive()
    for constant in (1.0, -20.0):
        (measure,) = judged(Infidelity(**EXACT), net, image, exact * 0 + constant, classes=[0])
        assert measure.value == pytest.approx(measure.chance)
    (better,) = judged(Infidelity(**EXACT), net, image, exact, classes=[0])
    assert better.value < better.chance
    assert math.isnan(judged(Infidelity(**EXACT, scaled=False), net, image, exact, classes=[0])[0].chance)


def test_saco_is_that_of_its_definition() -> None:
    """All pairs, as the authors' pseudocode has them, on a model that is not additive."""
    net, image, _ = additive(3)
    saliency = torch.randn(1, 6, 6, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    groups = saliency.flatten().argsort(descending=True).reshape(6, 6)
    whole = net(image).detach().softmax(1)[0, 0]
    given, lost = [], []
    for group in groups:
        without = image.clone().flatten()
        without[group] = image.mean()
        given.append(float(saliency.flatten()[group].sum()))
        lost.append(float(whole - net(without.reshape(image.shape)).detach().softmax(1)[0, 0]))
    weights = [
        (given[i] - given[j]) * (1 if lost[i] >= lost[j] else -1) for i, j in itertools.combinations(range(6), 2)
    ]
    expected = sum(weights) / sum(map(abs, weights))
    (measure,) = judged(Saco(block=1, groups=6), net, image, saliency, classes=[0])
    assert measure.value == pytest.approx(expected, abs=1e-5)
    assert abs(expected) < 0.99
    correlation = stats.spearmanr([abs(each) for each in given], [abs(each) for each in lost]).statistic
    (monotone,) = judged(Monotonicity(block=1, groups=6), net, image, saliency, classes=[0])
    assert monotone.value == pytest.approx(correlation)


def test_subsets_are_scored_and_summed_as_the_definitions_say() -> None:
    """On a model that is not additive, subset by subset: those that hold the blocks of the lowest numbers that were drawn."""
    net, image, _ = additive(3)
    saliency = torch.randn(6, 6, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    whole = float(net(image).detach().softmax(1)[0, 0])

    def pairs(share: float) -> tuple[list[float], list[float]]:
        stream, given, lost = seeded("0|shared subsets", ["0|0"], image), [], []
        for _ in range(12):
            mask = torch.zeros(3, 3, dtype=torch.bool).flatten()
            mask[stream.uniform(9)[0].argsort()[: round(share * 9)]] = True
            places = mask.reshape(3, 3).repeat_interleave(2, 0).repeat_interleave(2, 1)
            given.append(float(saliency[places].sum()))
            lost.append(whole - float(net(image.masked_fill(places, 0)).detach().softmax(1)[0, 0]))
        return given, lost

    options: dict[str, Any] = {"block": 2, "draws": 12}
    small, large = pairs(0.3), pairs(0.6)
    correlations = [stats.pearsonr(*each).statistic for each in (small, large)]
    a, d = (np.concatenate([one, other]) for one, other in zip(small, large, strict=True))
    scale = (a @ d) / (a @ a)
    expected = {
        FaithfulnessCorrelation(share=0.3, **options): correlations[0],
        SensitivityN(shares=(0.3, 0.6), **options): np.mean(correlations),
        Infidelity(shares=(0.3, 0.6), **options): np.mean((scale * a - d) ** 2),
        Infidelity(shares=(0.3, 0.6), scaled=False, **options): np.mean((a - d) ** 2),
    }
    for metric, value in expected.items():
        (measure,) = judged(metric, net, image, saliency.unsqueeze(0), classes=[0])
        assert measure.value == pytest.approx(value)


@pytest.mark.parametrize("metric", [FaithfulnessCorrelation, SensitivityN])
def test_correlations_are_those_of_subsets_that_are_drawn(metric: type) -> None:
    """A map of noise is near 0 in the mean, and not at it."""
    net, image, _ = additive()
    maps = torch.randn(40, 6, 6, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    measures = judged(metric(**EXACT), net, image.expand(40, 1, 6, 6), maps, classes=[0] * 40)
    values = torch.tensor([each.value for each in measures])
    assert values.std() > 0.05
    assert abs(values.mean()) < 4 * values.std() / 40**0.5


@pytest.mark.parametrize("metric", ALL)
def test_a_constant_map_gets_nothing_for_it(metric: type) -> None:
    net, image, exact = additive()
    (measure,) = judged(metric(**EXACT), net, image, exact * 0 + 0.1, classes=[0])
    if metric is Saco:
        assert measure.value == 0
    elif metric is not Infidelity:
        assert math.isnan(measure.value)
        assert measure.reason.startswith("the map gives all")


@pytest.mark.parametrize("metric", ALL)
def test_a_model_that_never_moves_passes_nothing(metric: type) -> None:
    images = torch.rand(3, 1, 6, 6)
    maps = torch.randn(3, 6, 6, generator=torch.Generator().manual_seed(2))
    for measure in judged(metric(block=1), Constant(), images, maps):
        assert math.isnan(measure.value) or measure.value == pytest.approx(0, abs=1e-12)


def test_strict_monotonicity_holds_for_positive_evidence_and_not_for_a_model_that_never_moves() -> None:
    strict = Monotonicity(**EXACT, variant="strict", groups=36)
    net, image, exact = additive(positive=True)
    assert judged(strict, net, image, exact, classes=[0])[0].value == 1
    assert judged(strict, Constant().double(), image, exact, classes=[0])[0].value == 0
    net, image, exact = additive()  # the lowest come back first, and take from the score
    assert judged(strict, net, image, exact, classes=[0])[0].value == 0


@pytest.mark.parametrize("metric", ALL)
def test_neither_the_batch_nor_the_order_of_places_nor_other_maps_change_a_value(metric: type) -> None:
    net, _, _ = additive()
    images = torch.rand(3, 1, 6, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    maps = torch.randn(3, 6, 6, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    before, photographs = maps.clone(), images.clone()
    together = [each.value for each in judged(metric(block=2), net, images, maps, ids=list("abc"), classes=[0] * 3)]
    alone = [
        judged(metric(block=2), net, images[row : row + 1], maps[row : row + 1], ids=["abc"[row]], classes=[0])[0].value
        for row in range(3)
    ]
    assert together == pytest.approx(alone, rel=1e-9)
    assert torch.equal(maps, before)
    assert torch.equal(images, photographs)


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0])
def test_a_share_of_nothing_or_all_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="share: expected above 0 and below 1"):
        FaithfulnessCorrelation(share=share)
    with pytest.raises(ValueError, match="share: expected above 0 and below 1"):
        SensitivityN(shares=(0.5, share))


@pytest.mark.parametrize("options", [{"block": 0}, {"groups": 0}])
def test_a_count_below_one_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(options))}: expected 1 or more, got 0"):
        Saco(**options)
