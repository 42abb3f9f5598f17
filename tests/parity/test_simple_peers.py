"""FEM, KPCA-CAM, Seg-Eigen-CAM, Random-CAM and CAM against pytorch-grad-cam 1.5.7 and TorchCAM 0.5, on raw maps."""

from __future__ import annotations

from typing import Any

import pytest
import pytorch_grad_cam as peers
import torch
from torch import Tensor
from torchcam import methods as torchcam

import xaikit
from helpers.nets import PLACES, distance, subject
from helpers.peer_maps import theirs
from xaikit.registry import Registry

CLOSE = 1e-4
CLASSIFIERS = {"efficientnet_lite0": ("bn2", "classifier"), "resnet18": ("layer4", "fc")}
models = pytest.mark.parametrize("name", PLACES)


def ours(name: str, method: str, **options: Any) -> list[Tensor]:
    model, x, classes = subject(name)
    explanation = xaikit.explain(model, x, {"it": {"use": method, **options}}, layers=PLACES[name], target=classes)[
        "it"
    ]
    return list(explanation.maps.values())


def peak_up(saliency: Tensor) -> Tensor:
    """Each sample upside down where its minimum is farther from zero than its maximum."""
    low, high = saliency.amin((1, 2), keepdim=True), saliency.amax((1, 2), keepdim=True)
    return torch.where(low.abs() > high.abs(), -saliency, saliency)


def pictures(*maps: Tensor) -> list[Tensor]:
    return [saliency / saliency.abs().amax((1, 2), keepdim=True) for saliency in maps]


@models
def test_fem_given_its_variant_equals_pytorch_grad_cams(name: str) -> None:
    for saliency, expected in zip(ours(name, "fem", variant="grad_cam"), theirs(name, peers.FEM), strict=True):
        assert distance(saliency, expected) <= CLOSE


@models
def test_the_papers_fem_differs_as_pytorch_grad_cam_weighs_activations_by_masks_instead(name: str) -> None:
    for saliency, expected in zip(ours(name, "fem"), theirs(name, peers.FEM), strict=True):
        first, second = pictures(saliency, expected)
        assert (first - second).abs().amax((1, 2)).min() > 0.2


@models
def test_segeigencam_equals_pytorch_grad_cams_sign_and_all(name: str) -> None:
    for saliency, expected in zip(ours(name, "segeigencam"), theirs(name, peers.SegEigenCAM), strict=True):
        assert distance(saliency, expected) <= CLOSE


@pytest.mark.parametrize(
    ("kernel", "gamma"),
    [("sigmoid", None), ("sigmoid", 1e-3), ("rbf", 1e-3), ("poly", None), ("poly", 1e-3), ("cosine", None)],
)
@models
def test_kpcacam_with_its_largest_deviation_up_equals_pytorch_grad_cams(
    name: str, kernel: str, gamma: float | None
) -> None:
    """Its sign is scikit-learn's; ours agrees with the mean over the channels."""
    expected = theirs(name, peers.KPCA_CAM, kernel=kernel, gamma=gamma)
    for saliency, one in zip(ours(name, "kpcacam", kernel=kernel, gamma=gamma), expected, strict=True):
        assert distance(peak_up(saliency), one) <= CLOSE


def test_kpcacam_points_another_way_than_pytorch_grad_cam_for_some_pictures_and_kernels() -> None:
    opposed, total = 0, 0
    for name in PLACES:
        for saliency, expected in zip(ours(name, "kpcacam"), theirs(name, peers.KPCA_CAM), strict=True):
            assert torch.equal(peak_up(expected), expected)
            opposed += int(((saliency * expected).sum((1, 2)) < 0).sum())
            total += len(saliency)
    assert 0.2 < opposed / total < 0.8


def test_a_gamma_that_saturates_leaves_no_first_component_so_that_ours_and_theirs_are_arbitrary() -> None:
    """With 1 / C in a layer of large activations every place is like itself alone: all eigenvalues are 1."""
    name = "efficientnet_lite0"
    saliency, expected = (
        ours(name, "kpcacam", kernel="rbf")[0],
        theirs(name, peers.KPCA_CAM, kernel="rbf")[0],
    )
    saturated = (saliency.square().sum((1, 2)) - 1).abs() < 1e-3
    assert saturated.tolist() == [True, True, False]
    assert distance(peak_up(saliency)[2:], expected[2:]) <= CLOSE
    for row in (0, 1):
        assert distance(peak_up(saliency)[[row]], expected[[row]]) > 0.01


def test_randomcam_comes_again_where_pytorch_grad_cams_does_not_and_needs_no_gradient() -> None:
    name = "resnet18"
    first, again = (ours(name, "randomcam") for _ in range(2))
    drawn, anew = (theirs(name, peers.RandomCAM) for _ in range(2))
    for place in range(2):
        assert torch.equal(first[place], again[place])
        assert distance(drawn[place], anew[place]) > 0.01
    method: Any = Registry().find("method", "randomcam").cls
    assert not method.needs.gradients


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_cam_equals_torchcams(name: str) -> None:
    layer, classifier = CLASSIFIERS[name]
    model, x, classes = subject(name)
    saliency = xaikit.explain(model, x, "cam", layers=layer, target=classes)["cam"].maps[layer]
    with torchcam.CAM(model, layer, fc_layer=classifier) as extractor:
        (expected,) = extractor(classes, model(x), normalized=False)
    assert distance(saliency, expected) <= CLOSE
