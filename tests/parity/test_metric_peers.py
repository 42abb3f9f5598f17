"""Metrics against TorchCAM 0.5 and pytorch-grad-cam on the same maps: where we agree, and where they stray from the papers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from pytorch_grad_cam.metrics import road as gradcam_road
from pytorch_grad_cam.metrics.cam_mult_image import DropInConfidence, IncreaseInConfidence
from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget
from torch import Tensor, nn
from torchcam.metrics import ClassificationMetric, DeletionInsertionMetric

import xaikit
from helpers.nets import PLACES, subject
from xaikit.evaluation.judged import judged
from xaikit.metric import Metric
from xaikit_metrics.averagedrop import AverageDrop
from xaikit_metrics.deletion import Deletion
from xaikit_metrics.increase import Increase
from xaikit_metrics.insertion import Insertion
from xaikit_metrics.road import Road

NAME = "efficientnet_lite0"
TENTHS = list(range(10, 100, 10))


def values_of(metric: Metric, net: nn.Module, images: Tensor, maps: Tensor, classes: Sequence[int]) -> list[float]:
    return [each.value for each in judged(metric, net, images, maps, classes=classes)]


@pytest.fixture(scope="module")
def layercam() -> tuple[nn.Module, Tensor, list[int], Tensor]:
    """A model with real weights, photographs, classes, and LayerCAM's maps at its last layer, from 0 to 1."""
    net, images, classes = subject(NAME)
    layer = PLACES[NAME][-1]
    explained = xaikit.explain(net, images, "layercam", layers=layer, target=classes)["layercam"]
    maps = explained.maps[layer].detach().clamp(min=0)
    low, high = maps.flatten(1).amin(1)[:, None, None], maps.flatten(1).amax(1)[:, None, None]
    return net, images, list(classes), (maps - low) / (high - low)


def test_average_drop_and_increase_are_torchcams(layercam: tuple[nn.Module, Tensor, list[int], Tensor]) -> None:
    """On the same maps: left to itself, TorchCAM's metric explains what it scores, the probability, and not the logit; and it
    brings a map to [0, 1] before it is resized, which takes its maximum down, so that ours must not be brought there again."""
    net, images, classes, maps = layercam
    judge = ClassificationMetric(_Extractor(net, maps), partial(torch.softmax, dim=-1))
    judge.update(images, class_idx=classes)
    expected = judge.summary()
    drops = values_of(AverageDrop(reads="rectified"), net, images, maps, classes)
    assert np.mean(drops) == pytest.approx(expected["avg_drop"], abs=1e-5)
    assert np.mean(values_of(Increase(reads="rectified"), net, images, maps, classes)) == expected["conf_increase"]
    assert max(drops) > 0.01


def test_deletion_and_insertion_are_torchcams_where_no_pixels_tie() -> None:
    net, images, classes = small()
    maps = torch.rand(len(images), 8, 8, generator=torch.Generator().manual_seed(1))
    steps = 8
    for metric, key in ((Deletion, "deletion_auc"), (Insertion, "insertion_auc")):
        ours = values_of(metric(imputer="zero", block=1, steps=steps), net, images, maps, classes)
        judge = DeletionInsertionMetric(_Extractor(net, maps), partial(torch.softmax, dim=-1), steps=steps)
        judge.update(images, class_idx=classes)
        assert np.mean(ours) == pytest.approx(judge.summary()[key], abs=1e-5)


class _Extractor:
    """What TorchCAM's metric asks of one of its extractors, with maps that are there already."""

    def __init__(self, net: nn.Module, maps: Tensor) -> None:
        self.model, self._maps = net, maps

    def __call__(self, *args: Any, **options: Any) -> list[Tensor]:
        return [self._maps]

    def fuse_cams(self, maps: list[Tensor]) -> Tensor:
        return maps[0]

    def _hooks_off(self) -> Any:
        return torch.no_grad()


def small() -> tuple[nn.Module, Tensor, list[int]]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
        ).eval()
        net.requires_grad_(False)
        net[4].get_parameter("weight").mul_(20)
        return net, torch.rand(3, 3, 8, 8), [0, 1, 2]


def peers_road(peer: Any, net: nn.Module, images: Tensor, maps: Tensor, classes: list[int]) -> list[float]:
    targets = [ClassifierOutputSoftmaxTarget(each) for each in classes]
    values: list[float] = peer(TENTHS)(images, maps.numpy(), targets, net).tolist()
    return values


def noiseless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xaikit_metrics._road.NOISE", 0.0)
    monkeypatch.setattr(torch, "randn_like", torch.zeros_like)


# of NumPy 2, on the tensors that pytorch-grad-cam hands it
@pytest.mark.filterwarnings("ignore:__array_wrap__")
@pytest.mark.parametrize(
    ("order", "peer", "sign"),
    [
        ("combined", gradcam_road.ROADCombined, 1),
        ("morf", gradcam_road.ROADMostRelevantFirstAverage, -1),
        ("lerf", gradcam_road.ROADLeastRelevantFirstAverage, 1),
    ],
)
def test_road_of_dense_maps_is_pytorch_grad_cams(
    order: Any, peer: Any, sign: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its threshold removes what is at or above a percentile; where no pixels tie and the percentiles fall between two
    of them, that is as many as ours."""
    noiseless(monkeypatch)
    net, _, classes = small()
    images = torch.rand(3, 3, 10, 10, generator=torch.Generator().manual_seed(0))
    maps = torch.rand(3, 10, 10, generator=torch.Generator().manual_seed(1))
    ours = values_of(Road(order=order), net, images, maps, classes)
    # most first keeps what is below the percentile p, and removes 100 - p: of all nine the same
    theirs = [sign * each for each in peers_road(peer, net, images, maps, classes)]
    assert ours == pytest.approx(theirs, abs=1e-5)
    assert max(map(abs, ours)) > 1e-3


def test_pytorch_grad_cams_road_removes_everything_where_a_map_is_mostly_zero() -> None:
    """``map < percentile`` is nowhere true where the percentile is the 0 that most places have."""
    sparse = torch.zeros(16, 16)
    sparse[0, :15] = torch.linspace(0.1, 1, 15)
    removed: list[int] = []

    def imputer(image: Tensor, keep: Tensor) -> Tensor:
        removed.append(int((keep == 0).sum()))
        return image

    for percentile in (10, 50, 90):
        gradcam_road.RemoveMostRelevantFirst(percentile, imputer)(torch.rand(3, 16, 16), sparse)
    assert removed == [256, 256, 256]


def test_pytorch_grad_cams_drop_is_absolute(layercam: tuple[nn.Module, Tensor, list[int], Tensor]) -> None:
    """Times p it is ours, and its increase is ours."""
    net, images, classes, maps = layercam
    shown = nn.functional.interpolate(maps[:, None], images.shape[2:], mode="bilinear", align_corners=False)[:, 0]
    targets = [ClassifierOutputSoftmaxTarget(each) for each in classes]
    low, high = shown.flatten(1).amin(1), shown.flatten(1).amax(1)
    masks = ((shown - low[:, None, None]) / (high - low)[:, None, None]).unsqueeze(1).numpy()
    drop = DropInConfidence()(images, masks, targets, net)
    clean = net(images).detach().softmax(1)[torch.arange(len(classes)), classes]
    ours = values_of(AverageDrop(), net, images, shown, classes)
    assert (torch.tensor(ours) * clean).tolist() == pytest.approx(drop.tolist(), abs=1e-5)
    increase = IncreaseInConfidence()(images, masks, targets, net)
    assert values_of(Increase(), net, images, shown, classes) == increase.tolist()
