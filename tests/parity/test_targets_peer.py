"""Targets against those of pytorch-grad-cam 1.5.7 and the contrast of TorchCAM 0.5: scores, their gradients, and maps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import pytorch_grad_cam as grad_cam
import torch
from pytorch_grad_cam.utils import model_targets as theirs
from torch import Tensor, nn
from torchcam import methods as torchcam

import xaikit
from helpers.nets import distance, subject
from xaikit_targets._candidates import overlap
from xaikit_targets.binary import Binary
from xaikit_targets.box import Box
from xaikit_targets.contrast import Contrast
from xaikit_targets.raw import Raw
from xaikit_targets.region import Region
from xaikit_targets.rest import Rest
from xaikit_targets.softmax import Softmax

CLOSE = 1e-6
CLASSES = (3, 0, 3, 5)
LABELS = torch.tensor(CLASSES)


def logits(*shape: int) -> Tensor:
    made = 2 * torch.randn(4, *shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return made.requires_grad_()


def scored(score: Callable[[Tensor], Tensor], output: Tensor) -> tuple[Tensor, Tensor]:
    """Scores (N,) and the gradient of their sum at the output."""
    scores = score(output).reshape(len(output))
    return scores.detach(), torch.autograd.grad(scores.sum(), output)[0]


def ours(target: Any, output: Tensor) -> tuple[Tensor, Tensor]:
    return scored(target.pin(output, LABELS).scores, output)


def peers(targets: Sequence[Any], output: Tensor) -> tuple[Tensor, Tensor]:
    """pytorch-grad-cam's targets are given one sample each."""
    return scored(lambda rows: torch.stack([one(row).sum() for one, row in zip(targets, rows, strict=True)]), output)


def assert_equal(actual: tuple[Tensor, Tensor], expected: tuple[Tensor, Tensor]) -> None:
    for one, other in zip(actual, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=CLOSE, atol=CLOSE)
        assert other.any()


@pytest.mark.parametrize(
    ("target", "peer"),
    [(Softmax("label"), theirs.ClassifierOutputSoftmaxTarget), (Rest("label"), theirs.ClassifierOutputReST)],
)
def test_softmax_and_rest_equal_pytorch_grad_cams(target: Any, peer: Any) -> None:
    assert_equal(ours(target, logits(6)), peers([peer(index) for index in CLASSES], logits(6)))


@pytest.mark.parametrize("positive", [True, False])
def test_binary_equals_pytorch_grad_cams(positive: bool) -> None:
    peer = theirs.BinaryClassifierOutputTarget(int(positive))
    assert_equal(ours(Binary(positive), logits(1)), peers([peer] * 4, logits(1)))


def test_raw_equals_pytorch_grad_cams() -> None:
    assert_equal(ours(Raw(), logits(1)), peers([theirs.RawScoresOutputTarget()] * 4, logits(1)))


def test_region_equals_pytorch_grad_cams_given_class_and_mask() -> None:
    output = logits(3, 5, 4)
    pinned = Region().pin(output, None)
    masks = [mask.double().numpy() for mask in pinned.mask]
    given = [
        theirs.SemanticSegmentationTarget(index, mask)
        for (index,), mask in zip(pinned.indices.tolist(), masks, strict=True)
    ]
    assert_equal(ours(Region(), output), peers(given, output))


# --- Finer-CAM


def finer(alpha: float) -> tuple[Contrast, list[Any]]:
    pinned = Contrast("label", alpha=alpha).pin(logits(6), LABELS)
    references = pinned.references.tolist()
    return Contrast("label", alpha=alpha), [
        theirs.FinerWeightedTarget(index, row, alpha) for index, row in zip(CLASSES, references, strict=True)
    ]


@pytest.mark.parametrize("alpha", [1.0, 0.6])
def test_contrast_scores_equal_pytorch_grad_cams_up_to_what_it_adds_to_the_weights(alpha: float) -> None:
    target, given = finer(alpha)
    scores, expected = ours(target, logits(6))[0], peers(given, logits(6))[0]
    torch.testing.assert_close(scores, expected, rtol=CLOSE, atol=CLOSE)


def test_the_gradient_of_contrast_differs_from_pytorch_grad_cams_because_it_differentiates_the_weights() -> None:
    target, given = finer(1.0)
    output = logits(6)
    (scores, gradient), (_, expected) = ours(target, output), peers(given, output)
    assert (gradient - expected).abs().amax(1).min() > 0.01
    pinned: Any = target.pin(output, LABELS)
    clean = output.detach()
    terms = clean.gather(1, pinned.indices) - clean.gather(1, pinned.references)
    of_weights = torch.zeros_like(clean).scatter(1, pinned.references, pinned.shares * (terms - scores[:, None]))
    torch.testing.assert_close(gradient + of_weights, expected, rtol=CLOSE, atol=CLOSE)


@pytest.mark.parametrize("alpha", [1.0, 0.6])
def test_contrast_with_differentiated_weights_has_pytorch_grad_cams_gradient(alpha: float) -> None:
    target, given = finer(alpha)
    target = replace(target, weights="differentiated")
    for one, other in zip(ours(target, logits(6)), peers(given, logits(6)), strict=True):
        torch.testing.assert_close(one, other, rtol=CLOSE, atol=CLOSE)


class Twins(nn.Module):
    """Classes 0 and 1 have equal logits."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv2d(3, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        means: Tensor = self.features(x).mean((2, 3))
        return torch.cat([means[:, :1], means[:, :4]], 1)


def test_contrast_keeps_the_class_that_is_asked_for_and_pytorch_grad_cam_takes_one_of_the_same_logit() -> None:
    model, x = Twins().eval(), torch.ones(1, 3, 4, 4)
    with grad_cam.FinerCAM(model, [model.features]) as extractor:
        taken: list[Any] = []
        compute = extractor.base_cam.compute_cam_per_layer
        extractor.base_cam.compute_cam_per_layer = lambda x, targets, smooth: (
            taken.extend(targets) or compute(x, targets, smooth)
        )
        extractor(x, target_idx=1)
    assert taken[0].main_category == 0
    pinned = Contrast(1).pin(model(x), None)
    assert pinned.indices.tolist() == [[1]]
    assert pinned.references[0, 0] == 0


@pytest.mark.parametrize("name", ["efficientnet_lite0", "resnet18"])
@pytest.mark.parametrize(("method", "base"), [("gradcam", torchcam.GradCAM), ("layercam", torchcam.LayerCAM)])
@pytest.mark.parametrize("given", [None, [7, 11]], ids=["nearest", "given"])
def test_maps_of_contrast_equal_torchcams_finercam(name: str, method: str, base: Any, given: list[int] | None) -> None:
    model, x, classes = subject(name)
    layer = {"efficientnet_lite0": "bn2", "resnet18": "layer4"}[name]
    target = {"use": "contrast", "against": given or {"top": 3}, "alpha": 0.6, "weights": "uniform"}
    saliency = xaikit.explain(model, x, method, layers=layer, target=target)[method].maps[layer].relu()
    with torchcam.FinerCAM(model, layer, base_method=base) as extractor:
        (expected,) = extractor(classes, model(x), comparison_idx=given, normalized=False)
    assert distance(saliency, expected) <= 1e-4
    assert expected.flatten(1).amax(1).gt(0).all()


# --- boxes


def detections(scores: list[float], labels: list[int], shift: float = 0.0) -> dict[str, Tensor]:
    boxes = torch.tensor([[0.0, 0.0, 4.0, 4.0], [8.0, 0.0, 12.0, 6.0], [1.0, 0.0, 5.0, 4.0]], dtype=torch.float64)
    return {"boxes": boxes + shift, "labels": torch.tensor(labels), "scores": torch.tensor(scores, dtype=torch.float64)}


def test_box_multiplies_where_pytorch_grad_cam_adds() -> None:
    clean, later = detections([0.9, 0.5, 0.1], [1, 2, 1]), detections([0.7, 0.6, 0.1], [1, 2, 1], shift=0.5)
    pinned = Box().pin([clean], None)
    peer = theirs.FasterRCNNBoxScoreTarget(pinned.labels[:, 0].tolist(), pinned.boxes[:, 0].numpy(), iou_threshold=0.5)
    iou = overlap(pinned.boxes[0], later["boxes"])[0, 0]
    torch.testing.assert_close(peer(later), (iou + 0.7)[None], rtol=CLOSE, atol=0)
    torch.testing.assert_close(pinned.scores([later])[0], (iou * 0.7)[None], rtol=CLOSE, atol=0)
    # from 1.9 to a sum that still counts the overlap when the class is all but gone
    gone = detections([0.01, 0.6, 0.1], [1, 2, 2])
    assert peer(gone).item() > 1
    assert pinned.scores([gone]).item() == pytest.approx(0.01)


def test_box_looks_for_the_label_where_pytorch_grad_cam_looks_at_the_nearest_box_only() -> None:
    pinned = Box().pin([detections([0.9, 0.5, 0.1], [1, 2, 1])], None)
    peer = theirs.FasterRCNNBoxScoreTarget(pinned.labels[:, 0].tolist(), pinned.boxes[:, 0].numpy())
    other = detections([0.9, 0.5, 0.8], [2, 2, 1])
    assert peer(other).item() == 0
    assert pinned.scores([other]).item() == pytest.approx(0.6 * 0.8)


def test_a_lost_box_is_a_zero_with_a_graph_and_pytorch_grad_cams_has_none() -> None:
    pinned = Box().pin([detections([0.9, 0.5, 0.1], [1, 2, 1])], None)
    peer = theirs.FasterRCNNBoxScoreTarget(pinned.labels[:, 0].tolist(), pinned.boxes[:, 0].numpy())
    lost = detections([0.9, 0.5, 0.8], [2, 2, 2])
    lost["scores"].requires_grad_()
    assert peer(lost).tolist() == [0.0]
    assert not peer(lost).requires_grad
    scores = pinned.scores([lost])
    assert scores.tolist() == [[0.0]]
    assert scores.requires_grad
