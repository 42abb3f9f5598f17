"""What peers make into methods and is an axis here: Refine-CAM is a fusion, eigen-smoothing a reduction, and augmentation
smoothing an average of raw maps; against TorchCAM 0.5 and pytorch-grad-cam 1.5.7."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import pytorch_grad_cam as grad_cam
import torch
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn
from torchcam import methods as torchcam

import xaikit
from helpers.nets import distance, photographs, random_model
from xaikit.ops import principal

CLOSE = 1e-4
LAYERS = ["layer2", "layer3", "layer4"]
REFINE = {"rectify": "relu", "normalize": "minmax", "scale": "none", "resize": "input", "fuse": "product"}
PEERS = {
    "gradcam": (grad_cam.GradCAM, torchcam.GradCAM),
    "layercam": (grad_cam.LayerCAM, torchcam.LayerCAM),
    "xgradcam": (grad_cam.XGradCAM, torchcam.XGradCAM),
}


@cache
def subject() -> tuple[nn.Module, Tensor, list[int]]:
    """A frozen ResNet-18 with random weights, photographs, and their likeliest classes."""
    model, x = random_model("resnet18"), photographs(64)
    return model, x, model(x).argmax(1).tolist()


def ours(method: str, layers: Any, **more: Any) -> xaikit.Explanation:
    model, x, classes = subject()
    return xaikit.explain(model, x, method, layers=layers, target=classes, **more)[method]


def targets() -> list[ClassifierOutputTarget]:
    return [ClassifierOutputTarget(index) for index in subject()[2]]


@pytest.mark.parametrize("method", PEERS)
def test_refine_cam_is_a_product_of_finished_maps_as_pytorch_grad_cams(method: str) -> None:
    model, x, _ = subject()
    saliency = ours(method, LAYERS, finish=REFINE).map
    modules = [model.get_submodule(name) for name in LAYERS]
    expected = grad_cam.RefineCAM(model, modules, base_method=PEERS[method][0])(x, targets())
    assert saliency is not None
    assert distance(saliency, torch.from_numpy(expected)) <= CLOSE


@pytest.mark.parametrize("method", PEERS)
def test_refine_cam_as_torchcams(method: str) -> None:
    model, x, classes = subject()
    with torchcam.RefineCAM(model, LAYERS, base_method=PEERS[method][1]) as extractor:
        (expected,) = extractor(classes, model(x))
    saliency = ours(method, LAYERS, finish={**REFINE, "resize": "largest"}).map
    assert saliency is not None
    assert distance(saliency, expected) <= CLOSE


@pytest.mark.parametrize("method", ["gradcam", "hirescam"])
def test_the_principal_component_is_pytorch_grad_cams_but_for_the_mean_and_the_sign(method: str) -> None:
    """It subtracts each channel's mean and leaves the sign to chance; ours keeps the mean and agrees with the sum."""
    model, x, classes = subject()
    layer = "layer4"
    cls = {"gradcam": grad_cam.GradCAM, "hirescam": grad_cam.HiResCAM}[method]
    with cls(model, [model.get_submodule(layer)]) as extractor:
        extractor(x, targets())
        (a,), (g,) = extractor.activations_and_grads.activations, extractor.activations_and_grads.gradients
        image = extractor.get_cam_image(x, None, targets(), a.numpy(), g.numpy(), eigen_smooth=True)
    expected = torch.from_numpy(np.asarray(image)).double()
    weighed = (g.mean((2, 3), keepdim=True) if method == "gradcam" else g) * a
    centred = principal(weighed.double().unsqueeze(1), center=True).squeeze(1)
    sign = (centred * expected).sum((1, 2), keepdim=True).sign()
    assert distance(sign * centred, expected) <= CLOSE
    saliency = ours(method, layer, reduce="principal").maps[layer].double()
    assert distance(saliency, principal(weighed.double().unsqueeze(1)).squeeze(1)) <= CLOSE
    assert ((saliency * weighed.sum(1)).sum((1, 2)) >= 0).all()
    assert distance(saliency, sign * centred) > 0.05
    assert classes


AUGMENT = {"flip": True, "gain": [0.9, 1.0, 1.1]}


def test_augmentation_smoothing_averages_raw_maps_where_pytorch_grad_cam_averages_pictures() -> None:
    """Its six maps are stretched between 0 and 1 each before their mean, so that a faint one weighs as much as a strong
    one; the mean of our finished maps is the same, the map of ``augment`` is another."""
    model, x, classes = subject()
    layer, finish = "layer3", {**REFINE, "fuse": "mean"}
    with grad_cam.GradCAM(model, [model.get_submodule(layer)]) as extractor:
        expected = torch.from_numpy(extractor(x, targets(), aug_smooth=True))

    def of(image: Tensor) -> Tensor:
        saliency = xaikit.explain(model, image, layers=layer, target=classes, finish=finish)["gradcam"].map
        assert saliency is not None
        return saliency

    images = [(flip, gain) for flip in (False, True) for gain in (0.9, 1.0, 1.1)]
    pictures = [of(x.flip(-1) * gain).flip(-1) if flip else of(x * gain) for flip, gain in images]
    assert distance(torch.stack(pictures).mean(0), expected) <= CLOSE
    saliency = ours("gradcam", layer, finish=finish, augment=AUGMENT).map
    assert saliency is not None
    assert distance(saliency, expected) > 0.01
