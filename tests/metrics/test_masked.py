"""What is left of the score where a map shows, or hides, a photograph."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from helpers.additive import Constant, additive
from helpers.nets import Spec
from xaikit.evaluation.judged import judged
from xaikit.passes.tally import Tally
from xaikit_cams.gradcam import GradCAM
from xaikit_cams.randomcam import RandomCAM
from xaikit_metrics.adcc import Adcc
from xaikit_metrics.averagedrop import AverageDrop
from xaikit_metrics.averagegain import AverageGain
from xaikit_metrics.coherency import Coherency
from xaikit_metrics.complexity import Complexity
from xaikit_metrics.dropindeletion import DropInDeletion
from xaikit_metrics.increase import Increase

SEEN: list[Any] = [AverageDrop, Increase, AverageGain, DropInDeletion]


def restated(net: nn.Module, image: Tensor, saliency: Tensor) -> dict[type, float]:
    """All of them by their definitions, of class 0 and a grey filling."""
    shown = (saliency.clamp(min=0) - saliency.clamp(min=0).min()) / (
        saliency.clamp(min=0).max() - saliency.clamp(min=0).min()
    )
    grey = image.mean((2, 3), keepdim=True)
    p, p_shown, p_hidden = (
        net(each).detach().softmax(1)[0, 0].item()
        for each in (image, image * shown + grey * (1 - shown), image * (1 - shown) + grey * shown)
    )
    return {
        AverageDrop: max(0, p - p_shown) / p,
        Increase: float(p_shown > p),
        AverageGain: max(0, p_shown - p) / (1 - p),
        DropInDeletion: max(0, p - p_hidden) / p,
    }


@pytest.mark.parametrize("metric", SEEN)
def test_values_are_those_of_the_definitions(metric: type) -> None:
    values, expected = [], []
    for seed in range(8):
        net, image, exact = additive(seed)
        values.append(judged(metric(imputer="mean"), net, image, exact, classes=[0])[0].value)
        expected.append(restated(net, image, exact)[metric])
    assert values == pytest.approx(expected)
    assert len(set(values)) > 1


def test_what_is_shown_is_scored_once_for_all_that_look_at_it() -> None:
    """The judge of a batch is one; here each metric has its own, and asks for one score beside the clean pass."""
    net, image, exact = additive()
    for metric in SEEN:
        tally = Tally()
        judged(metric(), net, image, exact, classes=[0], tally=tally)
        assert tally.forwards == 1 + metric().further


def test_a_map_that_covers_everything_but_a_pixel_drops_nothing_and_gains_nothing() -> None:
    net, image, _ = additive()
    fake = torch.ones(1, 6, 6, dtype=torch.float64)
    fake[0, 0, 0] = 0
    image[0, 0, 0, 0] = 0  # so that it makes no difference at all
    drop, increase, gain, hidden = (judged(metric(), net, image, fake, classes=[0])[0].value for metric in SEEN)
    assert (drop, increase, gain) == pytest.approx((0, 0, 0))
    assert hidden == restated_blank(net, image)


def restated_blank(net: nn.Module, image: Tensor) -> Any:
    p, blank = (net(each).detach().softmax(1)[0, 0].item() for each in (image, image * 0))
    return pytest.approx(max(0, p - blank) / p)


def test_gain_is_undefined_where_the_model_is_sure_and_of_logits() -> None:
    net, image, exact = additive()
    with torch.no_grad():
        net[1].weight[0] += 1e4
    (measure,) = judged(AverageGain(), net, image, exact, classes=[0])
    assert math.isnan(measure.value)
    assert measure.reason == "the probability of the photograph itself is 1"
    with pytest.raises(ValueError, match="expected probability, of which 1 is the most there is, got logit"):
        AverageGain(scored="logit")


@pytest.mark.parametrize("metric", [AverageDrop, DropInDeletion])
def test_a_share_of_a_negative_logit_is_undefined(metric: type) -> None:
    net, image, exact = additive(positive=True)
    with torch.no_grad():
        net[1].weight.neg_()
    (measure,) = judged(metric(scored="logit"), net, image, exact, classes=[0])
    assert math.isnan(measure.value)
    assert measure.reason == "the logit of the photograph itself is not above 0"


def test_a_model_that_never_moves_does_not_increase_by_rounding() -> None:
    images = torch.rand(8, 1, 6, 6)
    maps = torch.rand(8, 6, 6)
    assert [each.value for each in judged(Increase(), Constant(), images, maps)] == [0.0] * 8


def explained_again(metric: object, method: object) -> list[float]:
    net, inputs = Spec(width=6, batch=3).build()
    maps = torch.rand(3, 7, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return [each.value for each in judged(metric, net, inputs, maps, method=method, layer="features.act0")]  # type: ignore[arg-type]


def test_coherency_is_the_correlation_with_the_map_of_what_is_shown() -> None:
    import xaikit

    net, inputs = Spec(width=6, batch=3).build()
    classes = net(inputs).argmax(1)

    def maps_of(images: Tensor) -> Tensor:
        return xaikit.explain(net, images, "gradcam", layers="features.act0", target=classes.tolist())["gradcam"].maps[
            "features.act0"
        ]

    def minmax(maps: Tensor) -> Tensor:
        positive = maps.clamp(min=0).flatten(1)
        low, high = positive.amin(1, keepdim=True), positive.amax(1, keepdim=True)
        return ((positive - low) / torch.where(high > low, high - low, 1)).reshape(maps.shape)

    raw = maps_of(inputs)
    shown = minmax(raw)
    again = minmax(maps_of(inputs * shown.unsqueeze(1)))
    expected = [
        (1 + torch.corrcoef(torch.stack([one.flatten(), other.flatten()]))[0, 1].item()) / 2
        if one.any() and other.any()
        else 0.0
        for one, other in zip(shown, again, strict=True)
    ]
    measures = judged(Coherency(), net, inputs, raw, method=GradCAM(), layer="features.act0")
    assert [each.value for each in measures] == pytest.approx(expected)
    assert max(expected) > 0


def test_random_maps_are_drawn_alike_and_are_coherent() -> None:
    net, inputs = Spec(width=6, batch=3).build()
    import xaikit

    raw = xaikit.explain(net, inputs, "randomcam", layers="features.act0")["randomcam"].maps["features.act0"]
    measures = judged(Coherency(), net, inputs, raw, method=RandomCAM(), layer="features.act0")
    assert all(0 <= each.value <= 1 for each in measures)


def test_a_constant_map_is_not_coherent() -> None:
    net, inputs = Spec(width=6, batch=3).build()
    measures = judged(
        Coherency(), net, inputs, torch.ones(3, 7, 6, dtype=torch.float64), method=GradCAM(), layer="features.act0"
    )
    assert [each.value for each in measures] == [0.0] * 3


def test_adcc_is_the_harmonic_mean_of_the_three_that_it_keeps() -> None:
    net, inputs = Spec(width=6, batch=3).build()
    maps = torch.rand(3, 7, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    parts = [
        [each.value for each in judged(metric, net, inputs, maps, method=GradCAM(), layer="features.act0")]
        for metric in (Coherency(), Complexity(), AverageDrop())
    ]
    measures = judged(Adcc(), net, inputs, maps, method=GradCAM(), layer="features.act0")
    for measure, coherency, complexity, drop in zip(measures, *parts, strict=True):
        numbers = measure.numbers or {}
        assert [numbers[name] for name in ("coherency", "complexity", "averagedrop")] == pytest.approx(
            [coherency, complexity, drop]
        )
        good = [coherency, 1 - complexity, 1 - drop]
        assert measure.value == pytest.approx(0 if min(good) <= 0 else 3 / sum(1 / each for each in good))


def test_complexity_is_the_share_that_a_map_covers() -> None:
    net, image, _ = additive()
    half = torch.zeros(1, 6, 6, dtype=torch.float64)
    half[:, :3] = 7.0
    assert judged(Complexity(), net, image, half)[0].value == 0.5
    assert judged(Complexity(), net, image, half * 0 + 1)[0].value == 0.0
