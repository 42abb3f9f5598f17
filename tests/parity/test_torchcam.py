"""Against TorchCAM 0.5 on real weights and on random ones: where we agree, and where it strays from the papers."""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torchcam import methods as torchcam

import xaikit
from helpers.nets import PLACES, distance, subject

CLOSE = 1e-5
PEERS = {
    "gradcam": torchcam.GradCAM,
    "xgradcam": torchcam.XGradCAM,
    "layercam": torchcam.LayerCAM,
    "gradcampp as torchcam": torchcam.GradCAMpp,
}
METHODS = dict.fromkeys(["gradcam", "xgradcam", "layercam", "gradcampp"]) | {
    "gradcampp as torchcam": {"use": "gradcampp", "variant": "torchcam"}
}
# how far the pictures are apart at least, at the two places of each model: measured, and rounded down
GRAD_CAMPP_APART = {
    "efficientnet_lite0": (0.5, 0.05),
    "resnet18": (0.05, 0.03),
    "densenet121": (0.07, 0.015),
}
SMOOTH_APART = {
    "corrected": {"efficientnet_lite0": (0.9, 0.3), "resnet18": (0.1, 0.02)},
    "paper": {"efficientnet_lite0": (0.9, 0.3), "resnet18": (0.1, 0.05)},
}
models = pytest.mark.parametrize("name", PLACES)


@cache
def ours(name: str) -> dict[str, list[Tensor]]:
    """Our maps at both places, after the ReLU, which TorchCAM always takes."""
    return explained(name, METHODS)


def explained(name: str, methods: Any) -> dict[str, list[Tensor]]:
    model, x, classes = subject(name)
    explanations = xaikit.explain(model, x, methods, layers=PLACES[name], target=classes)
    return {label: [saliency.relu() for saliency in one.maps.values()] for label, one in explanations.items()}


@cache
def theirs(name: str, peer: Any) -> list[Tensor]:
    model, x, classes = subject(name)
    with peer(model, list(PLACES[name])) as extractor:
        maps: list[Tensor] = extractor(classes, model(x), normalized=False)
    return maps


@models
@pytest.mark.parametrize("method", PEERS)
def test_raw_maps_equal_torchcams(method: str, name: str) -> None:
    for saliency, expected in zip(ours(name)[method], theirs(name, PEERS[method]), strict=True):
        assert distance(saliency, expected) <= CLOSE
        assert expected.flatten(1).amax(1).gt(0).all()


def test_auto_finds_the_tensor_that_torchcam_sees_under_an_in_place_relu() -> None:
    """DenseNet's last ReLU works in place on what ``features`` returned, after the hook."""
    model, x, classes = subject("densenet121")
    explanation = xaikit.explain(model, x, "gradcam", target=classes)["gradcam"]
    with torchcam.GradCAM(model, "features") as extractor:
        (expected,) = extractor(classes, model(x), normalized=False)
    assert list(explanation.maps) == ["features+"]
    assert distance(explanation.maps["features+"].relu(), expected) <= CLOSE


@models
def test_paper_grad_campp_differs_from_torchcam_because_its_division_edits_a_copy(name: str) -> None:
    """Undivided, TorchCAM's weights are sum relu(g)^3 instead of sum relu(g) / (2 + g sum A)."""
    paper, peer = ours(name)["gradcampp"], theirs(name, torchcam.GradCAMpp)
    for (activation, gradient), expected in zip(evidence(name), peer, strict=True):
        undivided = gradient.relu().pow(3).sum((2, 3))
        assert distance(torch.einsum("nc,nchw->nhw", undivided, activation).relu(), expected) <= CLOSE
    assert_apart(paper, peer, GRAD_CAMPP_APART[name])


@models
def test_smooth_grad_campp_variant_torchcam_equals_torchcams_given_the_same_noise(name: str) -> None:
    maps, noisy = smooth(name, "torchcam")
    for saliency, expected in zip(maps, smooth_torchcam(name, noisy), strict=True):
        assert distance(saliency, expected) <= CLOSE


@pytest.mark.parametrize("variant", SMOOTH_APART)
@pytest.mark.parametrize("name", ["efficientnet_lite0", "resnet18"])
def test_smooth_grad_campp_differs_from_torchcam_because_its_last_noisy_pass_leaks_into_the_map(
    variant: str, name: str
) -> None:
    """Its activations and the gradient beside alpha are the last noisy input's, and its alpha sums over A g^3."""
    maps, noisy = smooth(name, variant)
    assert_apart(maps, smooth_torchcam(name, noisy), SMOOTH_APART[variant][name])


def assert_apart(ours: list[Tensor], theirs: list[Tensor], bounds: tuple[float, float]) -> None:
    """Each picture divided by its maximum: their largest difference, in the sample where they are closest."""
    for mine, other, bound in zip(ours, theirs, bounds, strict=True):
        pictures = [saliency / saliency.amax((1, 2), keepdim=True) for saliency in (mine, other)]
        assert (pictures[0] - pictures[1]).abs().amax((1, 2)).min() > bound


def evidence(name: str) -> list[tuple[Tensor, Tensor]]:
    """Activation and gradient at both places, by plain hooks and plain autograd."""
    model, x, classes = subject(name)
    activations: list[Tensor] = []
    layers = [model.get_submodule(layer) for layer in PLACES[name]]
    handles = [layer.register_forward_hook(lambda _, inputs, output: activations.append(output)) for layer in layers]
    scores = model(x).gather(1, torch.tensor(classes)[:, None])
    for handle in handles:
        handle.remove()
    gradients = torch.autograd.grad(scores.sum(), activations)
    return [(activation.detach(), gradient) for activation, gradient in zip(activations, gradients, strict=True)]


def smooth(name: str, variant: str) -> tuple[list[Tensor], list[Tensor]]:
    """Our Smooth Grad-CAM++ and the noisy inputs that the model received for it."""
    received: list[Tensor] = []
    model, _, _ = subject(name)
    handle = model.register_forward_pre_hook(lambda _, inputs: received.append(inputs[0].detach().clone()))
    maps = explained(name, {"smooth": {"use": "smoothgradcampp", "n": 2, "variant": variant}})["smooth"]
    handle.remove()
    return maps, received[1:]


def smooth_torchcam(name: str, noisy: list[Tensor]) -> list[Tensor]:
    """TorchCAM's, fed with these noisy inputs: as noise upon nothing, for a sum would round once more."""
    assert len(noisy) == 2
    model, x, classes = subject(name)
    queue = iter(noisy)
    with torchcam.SmoothGradCAMpp(model, list(PLACES[name]), num_samples=2) as extractor:
        with torch.no_grad():
            model(x)
        extractor._input = torch.zeros_like(x)
        extractor._distrib = SimpleNamespace(sample=lambda size: next(queue))
        maps: list[Tensor] = extractor(classes, normalized=False)
    return maps
