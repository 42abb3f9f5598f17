"""Against TorchCAM 0.5 on real weights and on random ones: where we agree, and where it strays from the papers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
import xaikit
from torch import Tensor
from torchcam import methods as torchcam

from nets import distance, subject

CLOSE = 1e-5
CLASSES = [967, 285, 657]
PEERS = {"gradcam": torchcam.GradCAM, "xgradcam": torchcam.XGradCAM, "layercam": torchcam.LayerCAM}
PLACES = [
    ("efficientnet_lite0", "bn2"),
    ("efficientnet_lite0", "blocks.4"),
    ("resnet18", "layer4"),
    ("resnet18", "layer2"),
    ("densenet121", "features.denseblock4"),
    ("densenet121", "features.transition2"),
]
places = pytest.mark.parametrize(("name", "layer"), PLACES, ids=lambda value: value)


def ours(name: str, layer: str, method: str, **options: Any) -> Tensor:
    """Our map after the ReLU, which TorchCAM always takes."""
    model, x = subject(name)
    found = xaikit.explain(model, x, {method: options}, layers=layer, target=CLASSES)
    return found[method].maps[layer].relu()


def theirs(name: str, layer: str, peer: Any) -> Tensor:
    model, x = subject(name)
    with peer(model, layer) as extractor:
        (saliency,) = extractor(CLASSES, model(x), normalized=False)
    return saliency


@places
@pytest.mark.parametrize("method", sorted(PEERS))
def test_raw_maps_equal_torchcams(method: str, name: str, layer: str) -> None:
    expected = theirs(name, layer, PEERS[method])
    assert distance(ours(name, layer, method), expected) <= CLOSE
    assert expected.flatten(1).amax(1).gt(0).any()


def test_auto_finds_the_tensor_that_torchcam_sees_under_an_in_place_relu() -> None:
    """DenseNet's last ReLU works in place on what ``features`` returned, after the hook."""
    model, x = subject("densenet121")
    found = xaikit.explain(model, x, "gradcam", target=CLASSES)["gradcam"]
    assert list(found.maps) == ["features+"]
    assert distance(found.maps["features+"].relu(), theirs("densenet121", "features", torchcam.GradCAM)) <= CLOSE


@places
def test_grad_campp_variant_torchcam_equals_torchcams(name: str, layer: str) -> None:
    found = ours(name, layer, "gradcampp", variant="torchcam")
    assert distance(found, theirs(name, layer, torchcam.GradCAMpp)) <= CLOSE


@places
def test_smooth_grad_campp_variant_torchcam_equals_torchcams_given_the_same_noise(name: str, layer: str) -> None:
    found, noisy = with_noise(name, layer, variant="torchcam")
    assert distance(found, smooth_torchcam(name, layer, noisy)) <= CLOSE


@places
def test_paper_grad_campp_differs_from_torchcam_because_its_division_edits_a_copy(name: str, layer: str) -> None:
    """Undivided, TorchCAM's weights are sum relu(g)^3 instead of sum relu(g) / (2 + g sum A)."""
    paper, peer = ours(name, layer, "gradcampp"), theirs(name, layer, torchcam.GradCAMpp)
    assert picture_distance(paper, peer) > 0.0


@places
@pytest.mark.parametrize("variant", ["corrected", "paper"])
def test_smooth_grad_campp_differs_from_torchcam_because_its_last_noisy_pass_leaks_into_the_map(
    variant: str, name: str, layer: str
) -> None:
    paper, noisy = with_noise(name, layer, variant=variant)
    assert picture_distance(paper, smooth_torchcam(name, layer, noisy)) > 0.0


def picture_distance(one: Tensor, other: Tensor) -> float:
    """How far the pictures are apart, each divided by its maximum: in the sample where they are closest."""
    pictures = [saliency / saliency.amax((1, 2), keepdim=True) for saliency in (one, other)]
    return (pictures[0] - pictures[1]).abs().amax((1, 2)).min().item()


def with_noise(name: str, layer: str, **options: Any) -> tuple[Tensor, list[Tensor]]:
    """Our Smooth Grad-CAM++ and the noisy inputs that the model received for it."""
    received: list[Tensor] = []
    model, _ = subject(name)
    handle = model.register_forward_pre_hook(lambda _, inputs: received.append(inputs[0].detach().clone()))
    found = ours(name, layer, "smoothgradcampp", **options)
    handle.remove()
    return found, received[1:]


def smooth_torchcam(name: str, layer: str, noisy: list[Tensor]) -> Tensor:
    """TorchCAM's, fed with these noisy inputs: as noise upon nothing, for the sum would round once more."""
    model, x = subject(name)
    queue = iter(noisy)
    with torchcam.SmoothGradCAMpp(model, layer, num_samples=len(noisy)) as extractor:
        with torch.no_grad():
            model(x)
        extractor._input = torch.zeros_like(x)
        extractor._distrib = SimpleNamespace(sample=lambda size: next(queue))
        (saliency,) = extractor(CLASSES, normalized=False)
    return saliency
