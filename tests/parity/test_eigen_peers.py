"""Eigen-CAM and its kind against pytorch-grad-cam 1.5.7, raw and up to the sign, which there is chance."""

from __future__ import annotations

import pytest
import pytorch_grad_cam as peers
import torch
from torch import Tensor

import xaikit
from helpers.nets import PLACES, distance, subject
from helpers.peer_maps import theirs

CLOSE = 1e-4
PEERS = {"eigencam": peers.EigenCAM, "eigengradcam": peers.EigenGradCAM}
models = pytest.mark.parametrize("name", PLACES)
methods = pytest.mark.parametrize("method", PEERS)


def ours(name: str, method: str, center: bool) -> list[Tensor]:
    model, x, classes = subject(name)
    explanation = xaikit.explain(model, x, {method: {"center": center}}, layers=PLACES[name], target=classes)[method]
    return list(explanation.maps.values())


def with_sign_of(saliency: Tensor, expected: Tensor) -> Tensor:
    """Each sample turned to the side of the other."""
    return torch.where((saliency * expected).sum((1, 2), keepdim=True) < 0, -saliency, saliency)


@models
@methods
def test_centred_maps_equal_pytorch_grad_cams_up_to_the_sign(method: str, name: str) -> None:
    for saliency, expected in zip(ours(name, method, True), theirs(name, PEERS[method]), strict=True):
        assert distance(with_sign_of(saliency, expected), expected) <= CLOSE


@methods
def test_as_in_the_paper_they_differ_since_nothing_is_subtracted(method: str) -> None:
    name = "efficientnet_lite0"
    for raw, expected in zip(ours(name, method, False), theirs(name, PEERS[method]), strict=True):
        turned = with_sign_of(raw, expected)
        pictures = [saliency / saliency.abs().amax((1, 2), keepdim=True) for saliency in (turned, expected)]
        assert (pictures[0] - pictures[1]).abs().amax((1, 2)).min() > 0.01
