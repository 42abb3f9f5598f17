"""Against TorchCAM 0.5 on real weights and on random ones: where we agree, and where it strays from the papers."""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import xaikit
from torch import Tensor
from torchcam import methods as torchcam

from nets import PHOTOGRAPHED, PLACES, distance, subject

CLOSE = 1e-5
PEERS = {
    "gradcam": torchcam.GradCAM,
    "xgradcam": torchcam.XGradCAM,
    "layercam": torchcam.LayerCAM,
    "as torchcam": torchcam.GradCAMpp,
}
METHODS = dict.fromkeys(["gradcam", "xgradcam", "layercam", "gradcampp"]) | {
    "as torchcam": {"use": "gradcampp", "variant": "torchcam"}
}
places = pytest.mark.parametrize(("name", "layer"), PLACES, ids=str)


@cache
def ours(name: str, layer: str) -> dict[str, Tensor]:
    """Our maps after the ReLU, which TorchCAM always takes."""
    model, x = subject(name)
    found = xaikit.explain(model, x, METHODS, layers=layer, target=PHOTOGRAPHED)
    return {label: explanation.maps[layer].relu() for label, explanation in found.items()}


@cache
def theirs(name: str, layer: str, peer: Any) -> Tensor:
    model, x = subject(name)
    with peer(model, layer) as extractor:
        (saliency,) = extractor(PHOTOGRAPHED, model(x), normalized=False)
    return saliency


@places
@pytest.mark.parametrize("method", sorted(PEERS))
def test_raw_maps_equal_torchcams(method: str, name: str, layer: str) -> None:
    expected = theirs(name, layer, PEERS[method])
    assert distance(ours(name, layer)[method], expected) <= CLOSE
    assert expected.flatten(1).amax(1).gt(0).all()


def test_auto_finds_the_tensor_that_torchcam_sees_under_an_in_place_relu() -> None:
    """DenseNet's last ReLU works in place on what ``features`` returned, after the hook."""
    model, x = subject("densenet121")
    found = xaikit.explain(model, x, "gradcam", target=PHOTOGRAPHED)["gradcam"]
    assert list(found.maps) == ["features+"]
    assert distance(found.maps["features+"].relu(), theirs("densenet121", "features", torchcam.GradCAM)) <= CLOSE


@places
def test_paper_grad_campp_differs_from_torchcam_because_its_division_edits_a_copy(name: str, layer: str) -> None:
    """Undivided, TorchCAM's weights are sum relu(g)^3 instead of sum relu(g) / (2 + g sum A)."""
    activation, gradient = evidence(name, layer)
    undivided = gradient.relu().pow(3).flatten(2).sum(2)
    peer = theirs(name, layer, torchcam.GradCAMpp)
    assert distance(torch.einsum("nc,nchw->nhw", undivided, activation).relu(), peer) <= CLOSE
    print("PIN", name, layer, picture_distance(ours(name, layer)["gradcampp"], peer))
    assert picture_distance(ours(name, layer)["gradcampp"], peer) > 0.0


@places
def test_smooth_grad_campp_variant_torchcam_equals_torchcams_given_the_same_noise(name: str, layer: str) -> None:
    found, noisy = smooth(name, layer, "torchcam")
    assert distance(found, smooth_torchcam(name, layer, noisy)) <= CLOSE


@places
@pytest.mark.parametrize("variant", ["corrected", "paper"])
def test_smooth_grad_campp_differs_from_torchcam_because_its_last_noisy_pass_leaks_into_the_map(
    variant: str, name: str, layer: str
) -> None:
    found, noisy = smooth(name, layer, variant)
    d = picture_distance(found, smooth_torchcam(name, layer, noisy))
    print("PIN", variant, name, layer, d)
    assert d > 0.0


def picture_distance(one: Tensor, other: Tensor) -> float:
    """How far the pictures are apart, each divided by its maximum: in the sample where they are closest."""
    pictures = [saliency / saliency.amax((1, 2), keepdim=True) for saliency in (one, other)]
    return (pictures[0] - pictures[1]).abs().amax((1, 2)).min().item()


def evidence(name: str, layer: str) -> tuple[Tensor, Tensor]:
    """Activation and gradient by a plain hook and plain autograd."""
    model, x = subject(name)
    seen: list[Tensor] = []
    handle = model.get_submodule(layer).register_forward_hook(lambda _, inputs, output: seen.append(output))
    scores = model(x)[torch.arange(len(x)), torch.tensor(PHOTOGRAPHED)]
    handle.remove()
    return seen[0].detach(), torch.autograd.grad(scores.sum(), seen[0])[0]


def smooth(name: str, layer: str, variant: str) -> tuple[Tensor, list[Tensor]]:
    """Our Smooth Grad-CAM++, after the ReLU, and the noisy inputs that the model received for it."""
    received: list[Tensor] = []
    model, x = subject(name)
    handle = model.register_forward_pre_hook(lambda _, inputs: received.append(inputs[0].detach().clone()))
    method = {"smooth": {"use": "smoothgradcampp", "n": 2, "variant": variant}}
    found = xaikit.explain(model, x, method, layers=layer, target=PHOTOGRAPHED)["smooth"]
    handle.remove()
    return found.maps[layer].relu(), received[1:]


def smooth_torchcam(name: str, layer: str, noisy: list[Tensor]) -> Tensor:
    """TorchCAM's, fed with these noisy inputs: as noise upon nothing, for a sum would round once more."""
    model, x = subject(name)
    queue = iter(noisy)
    with torchcam.SmoothGradCAMpp(model, layer, num_samples=len(noisy)) as extractor:
        with torch.no_grad():
            model(x)
        extractor._input = torch.zeros_like(x)
        extractor._distrib = SimpleNamespace(sample=lambda size: next(queue))
        (saliency,) = extractor(PHOTOGRAPHED, normalized=False)
    return saliency
