"""Score-CAM and Ablation-CAM against TorchCAM 0.5 and pytorch-grad-cam 1.5.7: where we agree, and where they stray."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import pytorch_grad_cam as grad_cam
import torch
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn
from torchcam import methods as torchcam

import xaikit
from helpers.nets import distance, photographs, random_model
from helpers.peer_maps import picture

CLOSE = 1e-4
# 64 channels each, so that a map costs 64 passes: behind a ReLU, and before a sum; nothing works in place on either
RECTIFIED, SIGNED = "layer1.0", "layer1.1.conv2"
AS_TORCHCAM = {"use": "scorecam", "weighting": "softmax", "masks": "normalize_first"}


@cache
def subject() -> tuple[nn.Module, Tensor, Tensor]:
    """A frozen ResNet-18 with random weights, small photographs, and its logits."""
    model, x = random_model("resnet18").requires_grad_(False), photographs(64)
    return model, x, model(x)


def explained(methods: Any, layer: str, classes: Tensor) -> dict[str, Tensor]:
    model, x, _ = subject()
    explanations = xaikit.explain(model, x, methods, layers=layer, target=classes.tolist())
    return {label: one.maps[layer] for label, one in explanations.items()}


@cache
def torchcams_scorecam(layer: str) -> Tensor:
    model, x, scores = subject()
    with torchcam.ScoreCAM(model, layer, batch_size=64) as extractor:
        (saliency,) = extractor(scores.argmax(1).tolist(), model(x), normalized=False)
    return saliency


@pytest.mark.parametrize("layer", [RECTIFIED, SIGNED])
def test_scorecam_given_torchcams_options_equals_torchcams(layer: str) -> None:
    classes = subject()[2].argmax(1)
    saliency = explained({"score": AS_TORCHCAM}, layer, classes)["score"]
    assert distance(picture(saliency), picture(torchcams_scorecam(layer))) <= CLOSE
    assert saliency.relu().flatten(1).any(1).all()


def test_paper_scorecam_differs_from_torchcam_because_it_stretches_after_upsampling() -> None:
    saliency = explained("scorecam", SIGNED, subject()[2].argmax(1))["scorecam"]
    assert (picture(saliency) - picture(torchcams_scorecam(SIGNED))).abs().amax((1, 2)).min() > 0.005


def pytorch_grad_cams_ablation(layer: str, classes: Tensor) -> tuple[Tensor, Tensor]:
    """Its weights (N, C) and raw map (N, H, W)."""
    model, x, _ = subject()
    module, targets = model.get_submodule(layer), [ClassifierOutputTarget(index) for index in classes.tolist()]
    with grad_cam.AblationCAM(model, [module]) as extractor:
        extractor.activations_and_grads(x)
        (activations,) = extractor.activations_and_grads.activations
        weights = extractor.get_cam_weights(x, module, targets, activations, None)
    assert model.get_submodule(layer) is module
    weights = torch.from_numpy(weights)
    return weights, torch.einsum("nc,nchw->nhw", weights, activations)


@pytest.mark.parametrize("sign", [1, -1])
def test_ablationcam_times_one_over_the_score_equals_pytorch_grad_cams_behind_a_relu(sign: int) -> None:
    """There the minimum is 0, which is what it ablates with; the quotient turns the picture where the score is < 0."""
    scores = subject()[2]
    classes = (sign * scores).argmax(1)
    score = scores.gather(1, classes[:, None])
    assert (score * sign > 0).all()
    saliency = explained("ablationcam", RECTIFIED, classes)["ablationcam"]
    _, expected = pytorch_grad_cams_ablation(RECTIFIED, classes)
    assert distance(saliency, expected * score[:, None]) <= CLOSE
    if sign > 0:
        assert distance(picture(saliency), picture(expected)) <= CLOSE
    else:
        assert distance(picture(-saliency), picture(expected)) <= CLOSE
        assert (picture(saliency) - picture(expected)).abs().amax((1, 2)).min() > 0.5


def test_ablationcam_differs_from_pytorch_grad_cam_on_a_signed_layer_where_it_puts_minus_ten_million() -> None:
    scores = subject()[2]
    classes = scores.argmax(1)
    saliency = explained("ablationcam", SIGNED, classes)["ablationcam"]
    _, expected = pytorch_grad_cams_ablation(SIGNED, classes)
    assert (picture(saliency) - picture(expected)).abs().amax((1, 2)).min() > 0.05
