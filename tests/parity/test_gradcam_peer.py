"""Against pytorch-grad-cam 1.5.7 on real weights and on random ones, raw and after the same finishing."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
import pytorch_grad_cam as peers
import torch
from numpy.typing import NDArray
from pytorch_grad_cam.utils.image import scale_cam_image
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn

import xaikit
from helpers.nets import PLACES, distance, subject

CLOSE = 1e-5
EXACT = 1e-10
PEERS = {
    "gradcam": peers.GradCAM,
    "hirescam": peers.HiResCAM,
    "layercam": peers.LayerCAM,
    "elementcam": peers.GradCAMElementWise,
}
VARIANT = {"as peer": {"use": "gradcampp", "variant": "pytorch-grad-cam"}}
# as pytorch-grad-cam always finishes, up to the resize; then it takes min-max once more, over one layer or their mean
FINISH = {"rectify": "relu", "normalize": "minmax", "scale": "none", "resize": "input", "fuse": "mean"}
# how far the pictures are apart at least, at the two places of each model: measured, and rounded down
APART = {"efficientnet_lite0": (0.15, 0.006), "resnet18": (0.003, 0.007), "densenet121": (0.02, 0.007)}
models = pytest.mark.parametrize("name", PLACES)


@dataclass(frozen=True)
class Peer:
    """What pytorch-grad-cam made of one pass: by layer raw maps and finished ones, and the mean over layers."""

    raw: list[Tensor]
    finished: list[Tensor]
    mean: Tensor


@cache
def ours(name: str) -> dict[str, xaikit.Explanation]:
    model, x, classes = subject(name)
    return explained(model, x, classes, PLACES[name], dict.fromkeys([*PEERS, "gradcampp"]))


def explained(
    model: nn.Module, x: Tensor, classes: list[int], layers: tuple[str, ...], methods: Any
) -> dict[str, xaikit.Explanation]:
    return xaikit.explain(model, x, methods, layers=layers, target=classes, finish=FINISH)


def theirs(model: nn.Module, x: Tensor, classes: list[int], layers: tuple[str, ...], peer: Any) -> Peer:
    modules = [model.get_submodule(layer) for layer in layers]
    targets = [ClassifierOutputTarget(index) for index in classes]
    with peer(model, modules) as extractor:
        mean = extractor(x, targets)
        finished = [
            extractor.aggregate_multi_layers([one]) for one in extractor.compute_cam_per_layer(x, targets, False)
        ]
        evidence = extractor.activations_and_grads
        raw = [
            extractor.get_cam_image(x, module, targets, a.numpy(), g.numpy(), eigen_smooth=False)
            for module, a, g in zip(modules, evidence.activations, evidence.gradients, strict=True)
        ]
    return Peer([tensor(one) for one in raw], [tensor(one) for one in finished], tensor(mean))


def rescaled(saliency: Tensor) -> Tensor:
    """Its last min-max: bilinear resizing has lowered the peaks."""
    return tensor(scale_cam_image(saliency.numpy()))


def tensor(array: NDArray[Any]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))


@models
@pytest.mark.parametrize("method", PEERS)
def test_maps_equal_pytorch_grad_cams_raw_and_after_the_same_finishing(method: str, name: str) -> None:
    explanation, expected = ours(name)[method], theirs(*subject(name), PLACES[name], PEERS[method])
    for place, layer in enumerate(PLACES[name]):
        assert distance(explanation.maps[layer], expected.raw[place]) <= CLOSE
        assert distance(rescaled(explanation.finished[layer]), expected.finished[place]) <= CLOSE
        assert expected.finished[place].flatten(1).amax(1).gt(0).all()


@pytest.mark.parametrize("method", PEERS)
def test_the_mean_over_layers_equals_pytorch_grad_cams(method: str) -> None:
    """On real weights: on random ones maps are so small that its 1e-7 beside the maximum shifts the mean."""
    name = "efficientnet_lite0"
    saliency = ours(name)[method].map
    assert saliency is not None
    assert distance(saliency, theirs(*subject(name), PLACES[name], PEERS[method]).mean) <= CLOSE


@models
def test_grad_campp_variant_pytorch_grad_cam_equals_pytorch_grad_cams(name: str) -> None:
    """In float64: its denominator passes close to zero on signed layers, where float32 rounding grows 5000-fold."""
    model, x, classes = subject(name)
    precise = copy.deepcopy(model).double(), x.detach().double().requires_grad_(), classes, PLACES[name]
    explanation, expected = explained(*precise, VARIANT)["as peer"], theirs(*precise, peers.GradCAMPlusPlus)
    for place, layer in enumerate(PLACES[name]):
        assert distance(explanation.maps[layer], expected.raw[place]) <= EXACT
        assert distance(rescaled(explanation.finished[layer]), expected.finished[place]) <= CLOSE


@models
def test_paper_grad_campp_differs_from_pytorch_grad_cam_because_its_epsilon_outweighs_the_gradients(
    name: str,
) -> None:
    """1e-6 stands beside 2 g^2, which is smaller on real networks: in the sample where the pictures are closest."""
    explanation, expected = ours(name)["gradcampp"], theirs(*subject(name), PLACES[name], peers.GradCAMPlusPlus)
    for place, layer in enumerate(PLACES[name]):
        difference = (rescaled(explanation.finished[layer]) - expected.finished[place]).abs().amax((1, 2))
        assert difference.min() > APART[name][place]
