"""Whether maps lie on objects: against slow restatements, at chance for what knows nothing, and NaN where there is no object."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score
from torch import Tensor, nn

from xaikit.evaluation.judged import judged
from xaikit.metric import Annotation
from xaikit_metrics.averageprecision import AveragePrecision
from xaikit_metrics.energypointing import EnergyPointing
from xaikit_metrics.iou import IntersectionOverUnion
from xaikit_metrics.maxboxacc import COUNT, MaxBoxAcc
from xaikit_metrics.pointinggame import PointingGame, grown
from xaikit_metrics.relevancerank import RelevanceRank

SIDE = 16
BOX = (3.0, 5.0, 9.0, 12.0)
METRICS = [
    PointingGame(tolerance=0),
    PointingGame(tolerance=2),
    EnergyPointing(),
    RelevanceRank(),
    AveragePrecision(),
    IntersectionOverUnion(),
    IntersectionOverUnion(by="box", keep="largest", threshold="otsu"),
    IntersectionOverUnion(threshold="90%"),
    MaxBoxAcc(),
]


class Net(nn.Module):
    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.flatten(1)[:, :4]


def annotation(*boxes: tuple[float, ...], **fields: Any) -> Annotation:
    return Annotation(torch.tensor(boxes).reshape(-1, 4), **fields)


def values(
    metric: Any, maps: Tensor, annotations: list[Annotation | None] | None = None, **options: Any
) -> list[float]:
    return [each.value for each in measures(metric, maps, annotations, **options)]


def measures(metric: Any, maps: Tensor, annotations: list[Annotation | None] | None = None, **options: Any) -> Any:
    images = torch.rand(len(maps), 1, SIDE, SIDE, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return judged(metric, Net(), images, maps, annotations=annotations or [annotation(BOX)] * len(maps), **options)


def drawn(count: int = 4, seed: int = 0, steps: int = 0) -> Tensor:
    maps = torch.randn(count, SIDE, SIDE, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return (maps * steps).round() / steps if steps else maps


def mask() -> Tensor:
    return annotation(BOX).places((SIDE, SIDE))


@pytest.mark.parametrize("metric", METRICS, ids=repr)
@pytest.mark.parametrize("value", [1.0, 0.0, -1.0])
def test_a_constant_map_is_at_chance_and_the_object_itself_is_the_best(metric: Any, value: float) -> None:
    constant, perfect = measures(metric, torch.stack([torch.full((SIDE, SIDE), value).double(), mask().double()]))
    assert constant.value == pytest.approx(constant.chance)
    assert perfect.value == 1
    assert 0 <= constant.chance < 1


@pytest.mark.parametrize("metric", METRICS, ids=repr)
def test_a_photograph_without_objects_has_no_value_and_says_why(metric: Any) -> None:
    stated = [
        None,
        annotation(),
        annotation(lost=2),
        annotation(BOX, labels=(3,)),
        annotation(note="mask: cannot be read"),
        annotation(BOX, labels=(0,)),
        Annotation(torch.zeros(0, 4), mask=mask()),
    ]
    measured = measures(metric, drawn(len(stated)), stated, classes=[0] * len(stated))
    reasons = [each.reason for each in measured]
    assert reasons[:2] == ["no object is stated"] * 2
    assert reasons[2:5] == [
        "the crop has cut all objects away",
        "no object of the explained class is stated",
        "mask: cannot be read",
    ]
    assert all(math.isnan(each.value) and math.isnan(each.chance) for each in measured[:5])
    assert all(math.isfinite(each.value) and not each.reason for each in measured[5:])
    assert measured[2].numbers["lost"] == 2


@pytest.mark.parametrize("metric", METRICS, ids=repr)
def test_batches_and_scale_change_nothing(metric: Any) -> None:
    maps = drawn(5, steps=3)
    together = values(metric, maps, ids=list("abcde"))
    alone = [values(metric, maps[place : place + 1], ids=["abcde"[place]])[0] for place in range(5)]
    assert together == alone
    assert values(metric, maps * 7.3) == pytest.approx(together, abs=1e-12)


@pytest.mark.parametrize("metric", [METRICS[0], *METRICS[2:6]], ids=repr)
def test_the_order_of_pixels_plays_no_part(metric: Any) -> None:
    maps, order = drawn(3, steps=2), torch.randperm(SIDE**2, generator=torch.Generator().manual_seed(1))
    where = mask().flatten()[order].reshape(SIDE, SIDE)
    shuffled = maps.flatten(1)[:, order].reshape(maps.shape)
    stated = Annotation(torch.zeros(0, 4), mask=where)
    assert values(metric, shuffled, [stated] * 3) == pytest.approx(values(metric, maps), abs=1e-12)


def test_several_boxes_and_any_class() -> None:
    stated = annotation((0, 0, 4, 4), (8, 8, 16, 16), labels=(1, "unknown"))
    inside = torch.zeros(1, SIDE, SIDE, dtype=torch.float64)
    inside[0, 10, 10] = 1
    assert values(EnergyPointing(of="any"), inside, [stated], classes=[1]) == [1]
    assert values(EnergyPointing(), inside, [stated], classes=[1]) == [0]
    assert math.isnan(values(EnergyPointing(), inside, [stated], classes=[2])[0])


def test_pointing_at_a_plateau_is_what_is_to_be_expected() -> None:
    maps = torch.zeros(2, SIDE, SIDE, dtype=torch.float64)
    maps[:, 5:9, 3:13] = 1  # of 4 x 10 places 4 x 6 are in the box
    maps[1, 0, 0] = 2
    first, second = measures(PointingGame(tolerance=0), maps)
    assert (first.value, first.numbers["highest"]) == (pytest.approx(0.6), 40)
    assert second.value == 0


@pytest.mark.parametrize("radius", [0, 1, 3, 5, 40])
def test_a_tolerance_is_as_the_crow_flies(radius: int) -> None:
    where = torch.rand(3, 9, 14, generator=torch.Generator().manual_seed(radius)) > 0.97
    places = torch.cartesian_prod(torch.arange(9), torch.arange(14)).double()
    for one, got in zip(where, grown(where, radius), strict=True):
        near = torch.cdist(places, places[one.flatten()]) <= radius + 1e-9
        assert torch.equal(got.flatten(), near.any(1))


@pytest.mark.parametrize("steps", [0, 2])
def test_average_precision_is_that_of_scikit_learn(steps: int) -> None:
    maps = drawn(6, steps=steps)
    expected = [average_precision_score(mask().flatten(), each.flatten()) for each in maps]
    assert values(AveragePrecision(), maps) == pytest.approx(expected, abs=1e-12)


def test_the_highest_places_are_counted_and_ties_share() -> None:
    maps = drawn(6, steps=1)
    size = int(mask().sum())
    draw = torch.Generator().manual_seed(3)
    for saliency, value in zip(maps, values(RelevanceRank(), maps), strict=True):
        hits = []
        for _ in range(400):
            order = torch.randperm(SIDE**2, generator=draw)
            highest = order[saliency.flatten()[order].argsort(descending=True, stable=True)][:size]
            hits.append(float(mask().flatten()[highest].double().mean()))
        assert value == pytest.approx(np.mean(hits), abs=4 * np.std(hits) / 20 + 1e-9)
    exact = drawn(3)
    tops = [each.flatten().argsort(descending=True)[:size] for each in exact]
    expected = [float(mask().flatten()[top].double().mean()) for top in tops]
    assert values(RelevanceRank(), exact) == pytest.approx(expected)


def test_boxes_of_regions_meet_boxes_of_objects() -> None:
    maps = torch.zeros(1, SIDE, SIDE, dtype=torch.float64)
    maps[0, 5:12, 3:6] = 1  # half of the box
    maps[0, 0, 15] = 0.9
    assert values(IntersectionOverUnion(by="box", keep="largest"), maps) == pytest.approx([0.5])
    assert values(IntersectionOverUnion(by="box"), maps) == pytest.approx([42 / (12 * 13)])
    assert values(IntersectionOverUnion(by="mask"), maps) == pytest.approx([21 / 43])
    assert values(IntersectionOverUnion(by="mask", keep="largest"), maps) == pytest.approx([0.5])
    assert values(IntersectionOverUnion(by="mask", threshold=0.95), maps) == pytest.approx([0.5])
    around = Annotation(torch.zeros(0, 4), mask=mask())
    assert values(IntersectionOverUnion(by="box", keep="largest"), maps, [around]) == pytest.approx([0.5])
    with pytest.raises(Exception, match="threshold"):
        IntersectionOverUnion(threshold=-1)


def test_the_chance_of_boxes_is_that_of_the_same_box_anywhere() -> None:
    maps = torch.zeros(1, SIDE, SIDE, dtype=torch.float64)
    maps[0, 2:9, 4:8] = 1
    others = ((3.5, 5, 9, 12), (0, 0, 6, 16))
    (measured,) = measures(IntersectionOverUnion(by="box"), maps, [annotation(*others)])
    ious = []
    for top in range(SIDE - 7 + 1):
        for left in range(SIDE - 4 + 1):
            best = 0.0
            for x0, y0, x1, y1 in others:
                common = max(0, min(left + 4, x1) - max(left, x0)) * max(0, min(top + 7, y1) - max(top, y0))
                best = max(best, common / (28 + (x1 - x0) * (y1 - y0) - common))
            ious.append(best)
    assert measured.chance == pytest.approx(np.mean(ious))


def test_maxboxacc_chooses_each_threshold_on_the_other_half() -> None:
    right_above = [30, 60, 60, 60, 30, 30]
    halves = [1.0, 1.0, 1.0, 0.0, 0.0, 0.0]
    fits = [[1.0 if place >= above else 0.0 for place in range(COUNT)] for above in right_above]
    fits[3] = [0.6 if place == 50 else 0.0 for place in range(COUNT)]
    numbers = [{"fits": each, "half": half} for each, half in zip(fits, halves, strict=True)]
    # most of the first half are right from 60 on; of the second from 30 on, and at 50 all, but at the level of .7
    assert MaxBoxAcc.refine(numbers) == pytest.approx([1, 0, 0, 0, 1, 1])
    assert MaxBoxAcc.refine(numbers[:1]) == [1], "alone it has no other half"


def test_maxboxacc_against_a_slow_restatement() -> None:
    smooth = nn.functional.avg_pool2d(drawn(4).unsqueeze(1), 5, 1, 2).squeeze(1)
    for saliency, measured in zip(smooth, measures(MaxBoxAcc(), smooth), strict=True):
        unit = saliency.clamp(min=0) / saliency.max()
        for place in range(0, COUNT, 7):
            places = (unit > place / COUNT).numpy().astype(np.uint8)
            contours, ranks = cv2.findContours(places, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
            outlines = [
                contour for contour, rank in zip(contours, ranks[0], strict=True) if rank[3] < 0
            ]  # not of holes
            ious = []
            for x, y, w, h in map(cv2.boundingRect, outlines):
                common = max(0, min(x + w, BOX[2]) - max(x, BOX[0])) * max(0, min(y + h, BOX[3]) - max(y, BOX[1]))
                ious.append(common / (w * h + 42 - common))
            assert measured.numbers["fits"][place] == pytest.approx(max(ious))
