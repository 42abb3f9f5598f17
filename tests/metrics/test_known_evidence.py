"""A network whose evidence is known: every metric of faithfulness ranks the truth above a part of it, and that above noise."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from xaikit.evaluation.judged import judged
from xaikit_metrics.averagedrop import AverageDrop
from xaikit_metrics.averagegain import AverageGain
from xaikit_metrics.deletion import Deletion
from xaikit_metrics.dropindeletion import DropInDeletion
from xaikit_metrics.faithfulnesscorrelation import FaithfulnessCorrelation
from xaikit_metrics.increase import Increase
from xaikit_metrics.infidelity import Infidelity
from xaikit_metrics.insertion import Insertion
from xaikit_metrics.irof import Irof
from xaikit_metrics.monotonicity import Monotonicity
from xaikit_metrics.pixelflipping import PixelFlipping
from xaikit_metrics.road import Road
from xaikit_metrics.saco import Saco
from xaikit_metrics.sensitivityn import SensitivityN
from xaikit_metrics.srg import SymmetricRelevanceGain

COUNT, SIDE = 12, 24
# not blur: it spreads a patch over more places, and this network counts those
METRICS: list[Any] = [
    SymmetricRelevanceGain(block=4, imputer="zero"),
    Deletion(block=4),
    Insertion(block=4, imputer="zero"),
    PixelFlipping(block=4),
    Irof(block=4, segments="grid"),
    Irof(segments="slic", count=40),
    Road(),
    Saco(block=4),
    Monotonicity(block=4),
    FaithfulnessCorrelation(block=4),
    SensitivityN(block=4),
    Infidelity(block=4),
    AverageDrop(),
    AverageGain(),
    Increase(),
    DropInDeletion(),
    *[SymmetricRelevanceGain(block=4, imputer=imputer) for imputer in ("mean", "black", "noise", "road")],
]


class Detector(nn.Module):
    """Class 0 is as many places as are red, less those that are blue: every other place is of no account."""

    def forward(self, image: Tensor) -> Tensor:
        score = 10 * self.evidence(image).flatten(1).mean(1)
        return torch.stack([score - 0.5, 0 * score], 1)

    @staticmethod
    def evidence(image: Tensor) -> Tensor:
        """What each place adds to it, (N, *S)."""
        colours = (40 * (image - 0.3)).sigmoid()
        return colours[:, 0] - colours[:, 2]


def photographs() -> Tensor:
    """Grey noise with a red patch and a smaller blue one."""
    draw = torch.Generator().manual_seed(0)
    images = 0.02 * torch.randn(COUNT, 3, SIDE, SIDE, generator=draw)
    for image in images:
        top, left = torch.randint(0, SIDE - 11, (2,), generator=draw).tolist()
        image[0, top : top + 7, left : left + 7] += 1 + torch.rand(7, 7, generator=draw)
        image[2, top + 8 : top + 11, left + 8 : left + 11] += 0.7
    return images


def maps_of(truth: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The truth; the same without up to a third of it, among noise; and noise."""
    draw = torch.Generator().manual_seed(1)
    noise = interpolate(torch.rand(len(truth), 1, 8, 8, generator=draw), (SIDE, SIDE), mode="bilinear")[:, 0] ** 4
    missing = torch.linspace(0, 0.33, len(truth))[:, None, None] > torch.rand(truth.shape, generator=draw)
    return truth, truth.masked_fill(missing, 0) + 0.3 * noise, noise


@pytest.mark.parametrize("metric", METRICS, ids=repr)
def test_the_truth_is_above_a_part_of_it_and_that_above_noise(metric: Any) -> None:
    images = photographs()
    maps = torch.cat(maps_of(Detector.evidence(images)))
    ids = [str(number) for number in range(COUNT)] * 3
    measures = judged(metric, Detector(), images.repeat(3, 1, 1, 1), maps, classes=[0] * 3 * COUNT, ids=ids)
    best, middle, worst = torch.tensor([each.value for each in measures]).reshape(3, COUNT).mean(1).tolist()
    sign = 1 if metric.higher_is_better else -1
    assert sign * best > sign * middle > sign * worst
