"""What a metric is told of inputs of any kind, and what becomes of those that it does not apply to."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from xaikit import DataError
from xaikit.errors import PluginContract
from xaikit.evaluation.judged import judged
from xaikit.evaluation.scenes import Exact, Total, grey, scene, volumes
from xaikit.metric import Annotation, MetricNeeds, MetricView
from xaikit_metrics.averagedrop import AverageDrop
from xaikit_metrics.completeness import Completeness
from xaikit_metrics.energypointing import EnergyPointing
from xaikit_metrics.gridpg import GridPointing
from xaikit_metrics.maxboxacc import MaxBoxAcc
from xaikit_metrics.randomlogit import RandomLogit
from xaikit_metrics.srg import SymmetricRelevanceGain

CONV = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


class Mean(nn.Module):
    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.flatten(2).mean(2)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("space", [(32,), (8, 8), (4, 4, 4)])
def test_one_variant_of_any_number_of_channels_and_of_axes_is_scored(space: tuple[int, ...], channels: int) -> None:
    draw = torch.Generator().manual_seed(0)
    net = nn.Sequential(CONV[len(space)](channels, 3, 1), nn.ReLU(), Mean())
    images, maps = torch.rand(2, channels, *space, generator=draw), torch.rand(2, *space, generator=draw)
    together = [each.value for each in judged(AverageDrop(), net, images, maps)]
    alone = [judged(AverageDrop(), net, images[[row]], maps[[row]])[0].value for row in range(2)]
    assert together == pytest.approx(alone)
    assert all(0 <= value < 1 for value in together)


def test_a_grey_picture_and_its_volume_of_one_slice_are_judged_alike() -> None:
    values = [
        [each.value for each in one.judge(SymmetricRelevanceGain(block=8, steps=5), one.maps(Exact()))]
        for one in (grey(scene(2)), volumes(scene(2)))
    ]
    assert values[0] == values[1]
    assert all(map(math.isfinite, values[0]))


class Variants:
    """Asks for variants of a shape."""

    needs = MetricNeeds(scores=True)
    higher_is_better = True
    range = (0.0, 1.0)
    reads = "raw"

    def __init__(self, *shape: int) -> None:
        self.shape = shape

    def measure(self, view: MetricView) -> Tensor:
        return view.rescore(1, lambda part: torch.zeros(self.shape)).mean(2)


@pytest.mark.parametrize("shape", [(2, 1, 1, 8, 8), (2, 1, 1, 1, 8, 8)])
def test_variants_may_have_an_axis_of_targets(shape: tuple[int, ...]) -> None:
    net = nn.Sequential(nn.Conv2d(1, 3, 1), Mean())
    measures = judged(Variants(*shape), net, torch.rand(2, 1, 8, 8), torch.rand(2, 8, 8))
    assert measures[0].value == measures[1].value


@pytest.mark.parametrize("shape", [(2, 2, 1, 8, 8), (2, 1, 8, 8), (2, 3, 1, 1, 8, 8)])
def test_variants_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    net = nn.Sequential(nn.Conv2d(1, 3, 1), Mean())
    with pytest.raises(PluginContract, match=r"make: expected 2 x 1 variants, \(N, m, C, \*S\), got \(2,"):
        judged(Variants(*shape), net, torch.rand(2, 1, 8, 8), torch.rand(2, 8, 8))


class Choosy(Variants):
    """Applies to bright photographs alone."""

    needs = MetricNeeds()

    def measure(self, view: MetricView) -> Tensor:
        if (view.image < 0.5).any():
            raise DataError("expected bright photographs")
        return view.image.flatten(1).mean(1, keepdim=True)


def test_what_a_metric_does_not_apply_to_has_no_value_and_the_others_have_theirs() -> None:
    images = torch.stack([torch.full((1, 4, 4), value) for value in (1.0, 0.0, 0.75)])
    measures = judged(Choosy(), nn.Sequential(nn.Conv2d(1, 3, 1), Mean()), images, torch.rand(3, 4, 4))
    assert [measures[0].value, measures[2].value] == [1.0, 0.75]
    assert math.isnan(measures[1].value)
    assert measures[1].reason == "expected bright photographs"


def test_a_mosaic_of_volumes_has_no_value() -> None:
    one = volumes(scene(2))
    reasons = {each.reason for each in one.judge(GridPointing(), one.maps(Exact()))}
    assert reasons == {"gridpg: expected maps (H, W), got (1, 48, 48)"}


class Keeping(Variants):
    """Keeps numbers of another shape, or asks for no variants."""

    def measure(self, view: MetricView) -> Tensor:
        if self.shape:
            view.keep("curve", torch.zeros(self.shape))
            return view.maps.flatten(2).mean(2)
        return view.rescore(0, lambda part: view.image.unsqueeze(1)).mean(2)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((7,), r"judged: keep\('curve'\): expected \(N, T\), \(2, 1\), or \(N, T, count\), got \(7,\)"),
        ((2,), "got "),
        ((), "rescore: expected one variant or more, got 0"),
    ],
)
def test_what_is_none_of_a_views_words_is_said(shape: tuple[int, ...], message: str) -> None:
    net = nn.Sequential(nn.Conv2d(1, 3, 1), Mean())
    with pytest.raises(PluginContract, match=message):
        judged(Keeping(*shape), net, torch.rand(2, 1, 8, 8), torch.rand(2, 8, 8))


# --- reasons


def test_a_photograph_that_is_not_finite_is_no_target_without_a_class() -> None:
    net, images = nn.Sequential(nn.Conv2d(1, 3, 1), Mean()), torch.rand(2, 1, 8, 8)
    images[0] = math.nan
    for metric in (AverageDrop(), Completeness()):
        lost, found = judged(metric, net, images, torch.rand(2, 8, 8), classes=[0, 0])
        assert "the score of the photograph itself is not a number" in lost.reason
        assert "no class" not in lost.reason
        assert math.isfinite(found.value)


def test_a_target_without_a_class_has_no_other_class_and_that_is_all() -> None:
    one = scene(2)
    reasons = {each.reason for each in one.judge(RandomLogit(), one.maps(Exact()), target=Total())}
    assert reasons == {"what is explained is not one class of several"}


def test_an_object_smaller_than_a_pixel_is_stated() -> None:
    one, small = scene(1), Annotation(torch.tensor([[4.1, 4.1, 4.3, 4.3]]), (None,))
    for metric in (EnergyPointing(), MaxBoxAcc()):
        (measure,) = one.judge(metric, one.maps(Exact()), annotations=[small])
        assert measure.reason == "the object covers the middle of no pixel of the input"
