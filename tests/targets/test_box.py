"""box: which detection is meant, its score in later passes, and maps of detectors, tiny and of torchvision."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torchvision.ops import box_iou

import xaikit
from helpers.nets import PROPERTY, distance
from xaikit import ConfigError, XaikitError
from xaikit.registry import Registry
from xaikit.schema.keys import Use
from xaikit.schema.plugins import instantiate
from xaikit_targets._candidates import overlap
from xaikit_targets.box import Box

Detections = list[dict[str, Tensor]]
BOXES = [[0.0, 0.0, 4.0, 4.0], [8.0, 0.0, 12.0, 6.0], [1.0, 0.0, 5.0, 4.0]]


def detections(scores: list[list[float]], labels: tuple[int, ...] = (1, 2, 1)) -> Detections:
    """The same three boxes in every sample."""
    return [
        {"boxes": torch.tensor(BOXES), "labels": torch.tensor(labels), "scores": torch.tensor(one, requires_grad=True)}
        for one in scores
    ]


def nothing() -> dict[str, Tensor]:
    """No detection, of a pass that has a graph."""
    return {
        "boxes": torch.zeros(0, 4, requires_grad=True),
        "labels": torch.zeros(0, dtype=torch.long),
        "scores": torch.zeros(0, requires_grad=True),
    }


# --- the reference


def test_the_reference_is_the_best_of_each_sample() -> None:
    pinned = Box().pin(detections([[0.9, 0.5, 0.1], [0.2, 0.5, 0.1]]), None)
    assert pinned.boxes.tolist() == [[BOXES[0]], [BOXES[1]]]
    assert pinned.labels.tolist() == [[1], [2]]
    assert str(pinned) == "class 1 in 0, 0, 4, 4 or class 2 in 8, 0, 12, 6"


def test_rank_and_label_choose_another() -> None:
    output = detections([[0.9, 0.5, 0.1]])
    assert Box(rank=2).pin(output, None).boxes.tolist() == [[BOXES[1]]]
    assert Box(rank=2, of=1).pin(output, None).boxes.tolist() == [[BOXES[2]]]
    pinned = Box(box=(0.0, 0.0, 2.0, 2.0), of=1).pin(output, None)
    assert (pinned.boxes.tolist(), pinned.labels.tolist()) == ([[[0.0, 0.0, 2.0, 2.0]]], [[1]])


@pytest.mark.parametrize(
    ("box", "label"), [((0.0, 0.0, 2.0, 2.0), 2), ((12.0, 0.0, 14.0, 6.0), 2), ((8.0, 0.0, 9.0, 1.0), 7)]
)
def test_a_stated_box_that_nothing_of_its_label_overlaps_is_refused(box: Any, label: int) -> None:
    output = detections([[0.9, 0.5, 0.1]])
    boxes, labels = torch.tensor([[8.0, 0.0, 9.0, 1.0], box]), torch.tensor([2, label])
    message = f"^target box: box: expected one that a detection of label {label} overlaps, got none in sample "
    with pytest.raises(ConfigError, match=f"{message}0; boxes are in the units of the output, as a rule pixels$"):
        Box(box=box, of=label).pin(output, None)
    with pytest.raises(ConfigError, match=f"{message}1;"):
        Box(box=boxes, of=labels).pin(output * 2, None)
    with pytest.raises(ConfigError, match=f"{message}0;"):
        Box(box=box, of=label).pin([nothing()], None)


@pytest.mark.parametrize(
    ("options", "which", "count"),
    [
        ({"rank": 4}, "4 detections", 3),
        ({"of": 2, "rank": 2}, "2 detections of label 2", 1),
        ({"of": 5}, "1 detections of label 5", 0),
    ],
)
def test_a_missing_detection_is_an_error(options: Any, which: str, count: int) -> None:
    with pytest.raises(ConfigError) as caught:
        Box(**options).pin(detections([[0.9, 0.5, 0.1]]), None)
    assert str(caught.value) == (
        f"target box: expected at least {which}, got {count} in sample 0; lower the detector's threshold"
    )


# --- the score


def test_on_the_clean_pass_the_score_and_its_gradient_are_the_detectors() -> None:
    output = detections([[0.9, 0.5, 0.1], [0.2, 0.5, 0.1]])
    scores = Box().pin(output, None).scores(output)
    scores.sum().backward()
    torch.testing.assert_close(scores.detach(), torch.tensor([[0.9], [0.5]]))
    assert [one["scores"].grad.tolist() for one in output] == [[1, 0, 0], [0, 1, 0]]  # type: ignore[union-attr]


def test_later_it_is_the_best_product_among_the_same_label() -> None:
    pinned = Box().pin(detections([[0.9, 0.5, 0.1]]), None)
    # the third overlaps by 12 of 20 and is nine times as sure
    assert pinned.scores(detections([[0.1, 1.0, 0.9]])).item() == pytest.approx(0.6 * 0.9)
    assert pinned.scores(detections([[0.1, 1.0, 0.9]], labels=(1, 1, 2))).item() == pytest.approx(0.1)


@pytest.mark.parametrize("case", ["nothing", "other label", "elsewhere"])
def test_a_score_of_nothing_is_a_zero_with_a_graph(case: str) -> None:
    pinned = Box().pin(detections([[0.9, 0.5, 0.1]]), None)
    (later,) = detections([[0.3, 0.5, 0.1]], labels=(3, 2, 4))
    if case == "elsewhere":
        later = {**later, "boxes": later["boxes"] + 50, "labels": torch.tensor([1, 1, 1])}
    scores = pinned.scores([nothing() if case == "nothing" else later])
    assert scores.tolist() == [[0.0]]
    assert scores.requires_grad
    scores.sum().backward()
    if case != "nothing":
        assert later["scores"].grad is not None
        assert not later["scores"].grad.any()


def test_boxes_have_a_gradient_where_they_are_off_the_reference() -> None:
    pinned = Box().pin(detections([[0.9, 0.5, 0.1]]), None)
    (later,) = detections([[0.9, 0.5, 0.1]])
    later["boxes"] = (later["boxes"] + torch.tensor([1.0, 0.5, 1.0, 0.5])).requires_grad_()
    pinned.scores([later]).sum().backward()
    assert later["boxes"].grad is not None
    assert later["boxes"].grad[0].ne(0).all()
    assert later["boxes"].grad[0, 2:].lt(0).all()  # further away is worse


@PROPERTY
@given(st.integers(0, 9999))
def test_the_overlap_is_the_iou(seed: int) -> None:
    corners = torch.rand(6, 2, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    boxes = torch.cat([corners[:, 0], corners[:, 0] + corners[:, 1]], 1)
    torch.testing.assert_close(overlap(boxes[:2], boxes), box_iou(boxes[:2], boxes))


def test_boxes_without_an_area_overlap_nothing() -> None:
    point = torch.ones(1, 4, requires_grad=True)
    iou = overlap(point, torch.ones(1, 4))
    iou.sum().backward()
    assert iou.tolist() == [[0.0]]
    assert point.grad is not None
    assert point.grad.isfinite().all()


def test_rows_score_a_list_of_another_length() -> None:
    pinned = Box().pin(detections([[0.9, 0.5, 0.1], [0.2, 0.5, 0.1]]), None)
    later = detections([[0.4, 0.3, 0.1], [0.4, 0.3, 0.1], [0.4, 0.3, 0.1]])
    scores = pinned.rows(torch.tensor([1, 0, 1])).scores(later)
    torch.testing.assert_close(scores, torch.tensor([[0.3], [0.4], [0.3]]))
    assert torch.equal(pinned.rows(torch.tensor([0])).probabilities(later[:1]), scores[1:2])
    with pytest.raises(XaikitError, match="expected detections of 2 samples, got 3"):
        pinned.scores(later)


def test_other_keys() -> None:
    output = [
        {"xyxy": one["boxes"], "labels": one["labels"], "conf": one["scores"]} for one in detections([[0.9, 0.5, 0.1]])
    ]
    assert Box(keys={"boxes": "xyxy", "scores": "conf"}).pin(output, None).scores(output).item() == pytest.approx(0.9)
    with pytest.raises(
        ConfigError, match="expected a dict with tensors boxes, labels, scores a sample, got keys xyxy, labels"
    ):
        Box().pin(output, None)


@pytest.mark.parametrize("output", [torch.zeros(2, 3), {"boxes": torch.zeros(1, 4)}, [], [torch.zeros(1, 6)], None])
def test_what_is_no_list_of_detections_is_refused(output: Any) -> None:
    with pytest.raises(ConfigError, match=r"^target box: expected a "):
        Box().pin(output, None)


def test_shapes_that_do_not_fit_are_refused() -> None:
    (one,) = detections([[0.9, 0.5, 0.1]])
    with pytest.raises(
        ConfigError, match=re.escape("expected shapes (K, 4), (K,), (K,) of boxes, labels, scores, got (3, 4)")
    ):
        Box().pin([{**one, "scores": one["scores"][:2]}], None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rank": 0}, "rank: expected at least 1, got 0"),
        ({"box": (4.0, 0.0, 1.0, 4.0), "of": 1}, "box: expected [x0, y0, x1, y1] with x0 < x1 and y0 < y1, got [4.0,"),
        ({"box": (0.0, 0.0, 1.0, 4.0)}, "of: expected the label of the box, got none"),
        (
            {"keys": {"boxes": "xyxy"}, "format": "./read.py:boxes"},
            "keys: expected none beside format ./read.py:boxes, which is not detections, got some",
        ),
        ({"keys": {"box": "xyxy"}}, "keys: expected some of boxes, labels, scores, got box"),
    ],
)
def test_options_are_checked_when_they_are_given(options: Any, message: str) -> None:
    with pytest.raises(ValueError, match="^" + re.escape(message)):
        Box(**options)


def test_a_config_says_a_box() -> None:
    options = {"box": [0, 10, 20, 40], "of": 17}
    assert instantiate("target", Use("box", options), Registry()) == Box(box=(0.0, 10.0, 20.0, 40.0), of=17)


# --- maps


class Detector(nn.Module):
    """A box and a score for every place of a 3 x 3 grid; the best five, best first, labels 1 and 2."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.features = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(3))
            self.head = nn.Conv2d(6, 6, 3, padding=1)
        self.double().eval()

    def forward(self, x: Tensor) -> Detections:
        raw = self.head(self.features(x)).flatten(2)
        low = 4 * torch.cartesian_prod(torch.arange(3.0), torch.arange(3.0)).to(x).flip(1).T + raw[:, 2:4]
        boxes = torch.cat([low, low + 3 + raw[:, 4:6].sigmoid()], 1).transpose(1, 2)
        scores, labels = raw[:, :2].softmax(1).max(1)
        best = scores.argsort(dim=1, descending=True)[:, :5]
        return [
            {"boxes": boxes[row][best[row]], "labels": labels[row][best[row]] + 1, "scores": scores[row][best[row]]}
            for row in range(len(x))
        ]


def photographs(samples: int = 2, size: int = 12) -> Tensor:
    return torch.randn(samples, 3, size, size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def explained(method: str, x: Tensor, **options: Any) -> xaikit.Explanation:
    target = {"use": "box", **options}
    return xaikit.explain(Detector(), x, method, layers="features.1", target=target)[method]


def test_a_map_of_a_detection_is_that_of_its_score() -> None:
    explanation = explained("gradcam", photographs(), rank=2)

    def second(output: Detections) -> Tensor:
        return torch.stack([one["scores"][1] for one in output])

    expected = xaikit.explain(Detector(), photographs(), "gradcam", layers="features.1", target=second)["gradcam"]
    torch.testing.assert_close(explanation.scores, expected.scores)
    assert explanation.map is not None
    assert explanation.maps["features.1"].flatten(1).any(1).all()
    assert distance(explanation.maps["features.1"], expected.maps["features.1"]) < 1e-9


@pytest.mark.parametrize("method", ["scorecam", "ablationcam", "smoothgradcampp"])
def test_methods_that_run_again_serve_it(method: str) -> None:
    saliency = explained(method, photographs()).maps["features.1"]
    assert saliency.isfinite().all()
    assert saliency.flatten(1).any(1).all()
    assert distance(saliency[:1], explained(method, photographs()[:1]).maps["features.1"]) < 1e-6
