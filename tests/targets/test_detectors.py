"""box on whole detectors: raw heads in the shape of YOLO and DETR, and four of torchvision; each box at its own level."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import xaikit
from helpers.detector_nets import COLOURS, DetrShaped, WithObjectness, YoloShaped, of_torchvision, picture
from xaikit import ConfigError
from xaikit_targets._candidates import overlap
from xaikit_targets.box import Box

ADAPTER = "helpers.detector_nets:detections"
SHAPES: dict[str, tuple[type[nn.Module], str]] = {
    "anchor-free": (YoloShaped, "anchor_free"),
    "anchors": (WithObjectness, "anchors"),
    "an adapter": (YoloShaped, ADAPTER),
    "queries": (DetrShaped, "queries"),
}
RED, GREEN = 0, 1
FEW: dict[str, dict[str, Any]] = {
    "occlusion": {"window": 4, "stride": 4},
    "drise": {"masks": 300, "cells": 4},
}


def explained(model: nn.Module, x: Tensor, method: Any = "hirescam", **options: Any) -> xaikit.Explanation:
    return xaikit.explain(model, x, {"one": method}, target={"use": "box", **options})["one"]


def largest(saliency: Tensor) -> tuple[int, int]:
    """The pixel (y, x)."""
    y, x = divmod(int(saliency.flatten().argmax()), saliency.shape[-1])
    return y, x


def places(explanation: xaikit.Explanation, sample: int = 0) -> list[tuple[int, list[float]]]:
    """Class and corners of each box, in pixels of the picture."""
    of_sample = explanation.target.place(sample)  # type: ignore[attr-defined]
    scales = (32 if place.get("relative") else 1 for place in of_sample)
    return [
        (place["label"], [scale * edge for edge in place["corners"]])
        for scale, place in zip(scales, of_sample, strict=True)
    ]


def place_of(explanation: xaikit.Explanation, column: int) -> tuple[int, list[float]]:
    return places(explanation)[column]


# --- planted evidence


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("method", ["hirescam", "gradcam", "ablationcam", "occlusion", "drise"])
def test_the_map_moves_when_the_box_moves(shape: str, method: str) -> None:
    build, form = SHAPES[shape]
    for y, x in ((0, 16), (24, 8), (16, 16)):
        explanation = explained(build(), picture((RED, y, x, 8)), {"use": method, **FEW.get(method, {})}, format=form)
        assert explanation.map is not None
        assert place_of(explanation, 0) == (RED, [x, y, x + 8, y + 8])
        row, column = largest(explanation.map[0])
        assert y <= row < y + 8
        assert x <= column < x + 8


@pytest.mark.parametrize("shape", SHAPES)
def test_all_boxes_of_a_picture_are_explained_in_one_forward(shape: str) -> None:
    build, form = SHAPES[shape]
    squares = ((RED, 0, 16, 8), (RED, 24, 8, 8), (GREEN, 16, 24, 8))
    model, calls = build(), list[int]()
    layers = "backbone" if shape == "queries" else ["fine", "coarse"]
    model.register_forward_hook(lambda *_: calls.append(1))
    target = {"use": "box", "above": 0.8, "format": form}
    explanation = xaikit.explain(model, picture(*squares), "hirescam", layers=layers, target=target)["hirescam"]
    assert sum(calls) == 1
    assert explanation.map is not None
    found = {
        (label, x, y): largest(explanation.map[0, at]) for at, (label, (x, y, *_)) in enumerate(places(explanation))
    }
    assert found.keys() == {(colour, x, y) for colour, y, x, _ in squares}
    for (_, x, y), (row, column) in found.items():
        assert y <= row < y + 8
        assert x <= column < x + 8


def test_each_box_is_explained_at_its_own_level() -> None:
    x, target = picture((RED, 0, 16, 8), (GREEN, 24, 4, 4)), {"use": "box", "rank": [1, 2], "format": "anchor_free"}
    explanation = xaikit.explain(YoloShaped(), x, "hirescam", target=target, finish={"fuse": "deepest"})["hirescam"]
    assert list(explanation.maps) == ["fine", "coarse"]
    assert place_of(explanation, 0) == (RED, [16, 0, 24, 8])
    assert place_of(explanation, 1) == (GREEN, [4, 24, 8, 28])
    # the coarse level is read from the fine one, and not the other way round
    levels = {layer: saliency.flatten(2).any(2).tolist() for layer, saliency in explanation.maps.items()}
    assert levels == {"fine": [[True, True]], "coarse": [[True, False]]}
    assert explanation.map is not None
    for column, layer in enumerate(["coarse", "fine"]):
        assert torch.equal(explanation.map[:, column], explanation.finished[layer][:, column])
    turned = {"layers": ["coarse", "fine"], "target": target, "finish": {"fuse": "deepest"}}
    assert torch.equal(xaikit.explain(YoloShaped(), x, "hirescam", **turned)["hirescam"].map, explanation.map)
    # a level that a box is not of is nothing to be warned of
    assert explanation.warnings == ()


def test_a_level_is_silent_only_where_another_has_the_score() -> None:
    explanation = xaikit.explain(YoloShaped(), picture(), "hirescam", target={"use": "box", "format": ADAPTER})[
        "hirescam"
    ]
    assert {remark.layer: remark.reason for remark in explanation.warnings} == {"fine": "zero activations"}


# --- which candidates are meant


def test_of_a_raw_head_the_ranks_are_of_what_suppression_would_keep() -> None:
    boxes = torch.tensor([[0.0, 0, 8, 8], [0, 0, 8, 7], [0, 0, 8, 7], [16, 16, 24, 24]])
    scores = torch.tensor([[0.9, 0.1], [0.8, 0.1], [0.1, 0.6], [0.5, 0.1]], requires_grad=True)
    output = torch.cat([torch.cat([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], 1), scores], 1).T[
        None
    ]
    pinned = Box(rank=(1, 2, 3, 4), format="anchor_free").pin(output, None)
    assert pinned.labels[0, :3].tolist() == [0, 1, 0]
    assert pinned.boxes[0, :3].tolist() == [boxes[0].tolist(), boxes[2].tolist(), boxes[3].tolist()]
    assert pinned.padding is not None
    assert pinned.padding.tolist() == [[False, False, False, True]]
    (gradient,) = torch.autograd.grad(pinned.scores(output)[:, :3].sum(), scores)
    assert gradient.nonzero().tolist() == [[0, 0], [2, 1], [3, 0]]
    assert len(Box(above=0.0, shared=1.0, format="anchor_free").pin(output, None).labels[0]) == 4


def test_the_reference_is_itself_beside_a_surer_one_that_overlaps_it() -> None:
    boxes = torch.tensor([[0.0, 0, 8, 8], [0, 0, 8, 17]])
    output = [{"boxes": boxes, "labels": torch.ones(2), "scores": torch.tensor([0.9, 0.3], requires_grad=True)}]
    pinned = Box(rank=2).pin(output, None)
    scores = pinned.scores(output)
    scores.sum().backward()
    assert scores.item() == pytest.approx(0.3)  # and not 0.9 of 8 / 17
    assert output[0]["scores"].grad is not None
    assert output[0]["scores"].grad.tolist() == [0, 1]


def test_samples_may_have_as_many_boxes_as_they_have() -> None:
    x = torch.cat([picture((RED, 0, 16, 8), (GREEN, 24, 8, 8)), picture(), picture((GREEN, 8, 8, 8))])
    explanation = explained(YoloShaped(), x, above=0.5, format="anchor_free")
    assert explanation.scores.isnan().tolist() == [[False, False], [True, True], [False, True]]
    assert explanation.map is not None
    assert explanation.map.flatten(2).isnan().all(2).tolist() == explanation.scores.isnan().tolist()
    assert explanation.warnings == ()
    alone = explained(YoloShaped(), x[2:], above=0.5, format="anchor_free")
    torch.testing.assert_close(alone.map, explanation.map[2:, :1])
    assert str(explanation.target) == (
        "class 0 in 16, 0, 24, 8; class 1 in 8, 24, 16, 32 or no detection or class 1 in 8, 8, 16, 16"
    )


def test_no_detection_at_all_is_no_error() -> None:
    explanation = explained(YoloShaped(), picture(), above=0.5, format="anchor_free")
    assert explanation.scores.isnan().tolist() == [[True]]
    output = [{"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.long), "scores": torch.zeros(0)}]
    pinned = Box(rank=(1, 2)).pin(output, None)
    assert pinned.scores(output).tolist() == [[0, 0]]
    assert pinned.padding is not None
    assert pinned.padding.all()


def test_a_query_that_is_no_object_is_none() -> None:
    logits = torch.tensor([[[1.0, 0.0, 3.0], [0.0, 1.0, 0.5]]])
    output = {"logits": logits, "pred_boxes": torch.tensor([[[0.5, 0.5, 0.5, 0.5], [0.25, 0.25, 0.25, 0.5]]])}
    by_softmax = Box(format="queries").pin(output, None)
    torch.testing.assert_close(by_softmax.scores(output), logits.softmax(2)[:, 1:, 1])
    assert str(by_softmax) == "class 1 in 0.12, 0.00, 0.38, 0.50"
    by_sigmoid = Box(format="sigmoid_queries").pin(output, None)
    torch.testing.assert_close(by_sigmoid.scores(output), logits.sigmoid()[:, :1, 2])


# --- the similarity of D-RISE


def test_the_similarity_is_that_of_drise() -> None:
    """Their Eq. 3 and 6, one proposal after the other."""
    generator = torch.Generator().manual_seed(0)
    clean, later = (torch.rand(1, 6, 8, generator=generator, dtype=torch.float64) for _ in range(2))
    pinned = Box(rank=(1, 2), format="anchors").pin(clean, None)

    def corners(row: Tensor) -> Tensor:
        return torch.cat([row[:2] - row[2:4] / 2, row[:2] + row[2:4] / 2])

    expected = []
    for box in pinned.boxes[0]:
        reference = next(row for row in clean[0] if torch.equal(corners(row), box))
        similarities = []
        for row in later[0]:
            low, high = torch.maximum(corners(row)[:2], box[:2]), torch.minimum(corners(row)[2:], box[2:])
            shared = (high - low).clamp(min=0).prod()
            union = row[2:4].prod() + (box[2:] - box[:2]).prod() - shared
            cosine = (reference[5:] @ row[5:]) / (reference[5:].norm() * row[5:].norm())
            similarities.append(shared / union * cosine * row[4])
        expected.append(max(similarities))
    torch.testing.assert_close(pinned.probabilities(later), torch.stack(expected)[None])


def test_of_detections_with_one_label_the_similarity_is_overlap_and_score() -> None:
    boxes = torch.tensor([[0.0, 0, 8, 8], [0, 0, 8, 4]])
    output = [{"boxes": boxes, "labels": torch.tensor([1, 1]), "scores": torch.tensor([0.5, 0.9])}]
    pinned = Box(box=(0.0, 0.0, 8.0, 8.0), of=1).pin(output, None)
    assert pinned.probabilities(output).tolist() == [[0.5]]
    assert pinned.probabilities([{**output[0], "labels": torch.tensor([2, 2])}]).tolist() == [[0.0]]


# --- what is refused


@pytest.mark.parametrize(
    ("form", "output", "message"),
    [
        ("detections", torch.zeros(1, 6, 8), "of another output say its format: anchor_free, anchors, queries"),
        (
            "anchor_free",
            [torch.zeros(1, 6, 8)],
            r"expected a tensor \(N, 4 \+ classes, K\), got list with 0 \(1, 6, 8\)",
        ),
        (
            "anchors",
            torch.zeros(1, 8, 5),
            r"expected a tensor \(N, K, 5 \+ classes\), got a tensor of shape \(1, 8, 5\)",
        ),
        ("queries", {"logits": torch.zeros(1, 2, 3)}, r"expected pred_boxes \(N, K, 4\) and logits or pred_logits"),
        ("torch:zeros", "x", "target box: format 'torch:zeros': TypeError"),
        ("torch:nothing", "x", "target box: format 'torch:nothing': torch has no function 'nothing'"),
        (ADAPTER, torch.zeros(1, 4, 8), r"expected shapes \(K, 4\), \(K, classes\) of boxes, scores"),
    ],
)
def test_an_output_of_another_format_is_refused(form: str, output: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Box(format=form).pin(output, None)


def test_a_class_that_a_head_does_not_have_is_refused() -> None:
    output = YoloShaped()(picture((RED, 0, 0, 8)))
    with pytest.raises(ConfigError, match=r"of: expected a class in 0 \.\.\. 2, got 3"):
        Box(box=(0.0, 0.0, 8.0, 8.0), of=3, format="anchor_free").pin(output, None)
    for others in ({}, {"rank": (1, 2)}, {"above": 0.0}):
        with pytest.raises(ConfigError, match=r"of: expected a class in 0 \.\.\. 2, got 3"):
            Box(of=3, format="anchor_free", **others).pin(output, None)


def test_a_box_in_pixels_of_a_head_in_shares_is_refused() -> None:
    output = DetrShaped()(picture((RED, 0, 16, 8)))
    assert Box(box=(0.5, 0.0, 0.75, 0.25), of=RED, format="queries").pin(output, None).scores(output).item() > 0.5
    with pytest.raises(
        ConfigError, match="detection of label 0 overlaps, got none in sample 0; boxes are in shares of"
    ):
        Box(box=(16.0, 0.0, 24.0, 8.0), of=RED, format="queries").pin(output, None)


def heads() -> dict[str, tuple[str, Tensor]]:
    """Outputs that have the shape of a format, and whose numbers are of another."""
    generator = torch.Generator().manual_seed(0)
    raw, rows = torch.rand(2, 4 + COLOURS, 9, generator=generator), torch.rand(2, 9, 6, generator=generator)
    rows[..., :4] *= 32
    rows[..., 5] = torch.arange(9)
    keypoints, masks = 32 * torch.rand(2, 6, 9, generator=generator), -torch.rand(2, 4, 9, generator=generator)
    logits = torch.cat([raw[:, :4], 8 * raw[:, 4:] - 4], 1)
    unsure = torch.cat([raw[:, :4], logits[:, 4:5], raw[:, 5:]], 1).mT
    return {
        "keypoints": ("anchor_free", torch.cat([raw, keypoints], 1)),
        "masks": ("anchor_free", torch.cat([raw, masks], 1)),
        "rows by their candidates": ("anchor_free", rows),
        "rows": ("anchors", rows),
        "logits": ("anchor_free", logits),
        "logits of objectness": ("anchors", unsure),
        "logits by an adapter": (ADAPTER, logits),
    }


@pytest.mark.parametrize("case", heads())
def test_numbers_that_are_no_probabilities_of_classes_are_refused(case: str) -> None:
    form, output = heads()[case]
    expected = (
        r"expected probabilities of classes in 0 \.\.\. 1, got -?[0-9.e-]+ \.\.\. [0-9.]+: logits, another format"
    )
    with pytest.raises(ConfigError, match=expected):
        Box(format=form).pin(output, None)


def test_rounding_and_nan_are_no_other_format() -> None:
    output = YoloShaped()(picture((RED, 0, 0, 8)))
    output[:, 4:] = output[:, 4:].round() * 1.0005
    pinned = Box(format="anchor_free").pin(output, None)
    assert pinned.scores(output).item() == pytest.approx(1.0005)
    # only the clean pass tells the format: noise later may do anything
    assert pinned.scores(2 * output).isfinite().all()
    output[:, 4:] = torch.nan
    assert Box(format="anchor_free").pin(output, None).scores(output).isnan().all()


def test_areas_of_boxes_do_not_overflow_halves() -> None:
    boxes = torch.tensor([[0.0, 0.0, 800.0, 600.0], [0.0, 0.0, 800.0, 300.0]])
    for dtype in (torch.float16, torch.bfloat16):
        torch.testing.assert_close(
            overlap(boxes[:1].to(dtype), boxes.to(dtype)), torch.tensor([[1.0, 0.5]]), atol=0.01, rtol=0
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rank": ()}, "rank: expected at least 1"),
        ({"rank": (1, 0)}, "rank: expected at least 1"),
        ({"rank": 2, "above": 0.5}, "above: expected neither rank nor box"),
        ({"rank": 2, "box": (0.0, 0.0, 1.0, 1.0), "of": 1}, "rank: expected none beside a box, got 2"),
        ({"format": "anchor"}, "format: expected one of them or a function, got 'anchor'; did you mean 'anchors'"),
        ({"shared": 1.5}, "shared: expected an IoU from 0 to 1, got 1.5"),
    ],
)
def test_options_that_say_nothing_are_refused(options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Box(**options)


# --- detectors of torchvision


@pytest.mark.parametrize("name", ["fasterrcnn", "retinanet", "fcos", "ssdlite"])
def test_detectors_of_torchvision_are_explained_as_odam_does(name: str) -> None:
    """ReLU(sum_k dY/dA_k * A_k) of the score Y of one box at its own level: all boxes of two pictures by one forward."""
    model, calls = of_torchvision(name), list[int]()
    x = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    target = {"use": "box", "rank": [1, 2, 3]}
    taps = list(xaikit.explain(model, x, "hirescam", target=target)["hirescam"].maps)
    handle = model.register_forward_hook(lambda *_: calls.append(1))
    finish = {"rectify": "relu", "normalize": "none", "resize": "none", "fuse": "none"}
    explanation = xaikit.explain(model, x, "hirescam", layers=taps, target=target, finish=finish)["hirescam"]
    handle.remove()
    assert len(calls) == 1

    levels: dict[str, Tensor] = {}

    def keep(module: nn.Module, args: Any, output: dict[str, Tensor]) -> None:
        levels.update({f"backbone[{key}]": value for key, value in output.items()})

    model.get_submodule("backbone").register_forward_hook(keep)
    for sample, one in enumerate(model(x)):
        for column, score in enumerate(one["scores"].sort(descending=True, stable=True).values[:3]):
            torch.testing.assert_close(explanation.scores[sample, column], score.detach(), rtol=1e-5, atol=0)
            gradients = torch.autograd.grad(score, [levels[layer] for layer in taps], retain_graph=True)
            slow = {
                layer: (gradient * levels[layer]).detach()[sample].sum(0).clamp(min=0)
                for layer, gradient in zip(taps, gradients, strict=True)
            }
            (own,) = (layer for layer, gradient in zip(taps, gradients, strict=True) if gradient.any())
            for layer, expected in slow.items():
                saliency = explanation.finished[layer][sample, column]
                assert layer == own or not saliency.any()
                torch.testing.assert_close(saliency, expected, rtol=1e-3, atol=1e-3 * float(expected.max()))


# --- pictures


def test_a_notebook_shows_each_box_on_its_picture_with_its_class() -> None:
    target = {"use": "box", "above": 0.5, "format": "anchor_free"}
    x = torch.cat([picture((RED, 0, 16, 8), (GREEN, 24, 8, 8)), picture()])
    names = ["red", "green", "blue"]
    explanation = xaikit.explain(YoloShaped(), x, "hirescam", target=target, classes=names)["hirescam"]
    assert [name for name, _ in explanation.explained(0)] == ["red", "green"]
    for column, (left, top) in enumerate([(16, 0), (8, 24)]):
        framed = np.asarray(explanation.overlay(sample=0, target=column, alpha=0.0))
        assert (framed[top, left : left + 8] == 255).all(), "the upper edge of the frame is white"
    of_nothing = np.asarray(explanation.overlay(sample=1, alpha=0.0))[:, :32]
    assert len(np.unique(of_nothing.reshape(-1, 3), axis=0)) == 1
    larger = explanation.overlay(Image.new("RGB", (320, 320)), sample=0, target=1, alpha=0.0)
    assert (np.asarray(larger)[240, 84:156] == 255).all(), "ten times as large on a picture of ten times the size"
