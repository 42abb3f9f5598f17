"""One pass through the architectures people use, against an uncut graph: the same to the bit."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

from helpers.hard_nets import images, seeded, uncut
from helpers.untouched import untouched
from xaikit.evidence.observe import observe
from xaikit.evidence.taps import Tap
from xaikit.targets import PinnedClasses

CLASSES = [2, 0]


def redrawn(model: nn.Module) -> nn.Module:
    """torchvision's transformer starts with a head of zeros, which would make 0 = 0 of every comparison."""
    nn.init.normal_(model.heads.head.weight, std=0.1)
    return model


def narrow_vgg() -> nn.Module:
    features = torchvision.models.vgg.make_layers([8, "M", 16, 16, "M"], batch_norm=True)
    return nn.Sequential(features, nn.AdaptiveAvgPool2d(7), nn.Flatten(), nn.Linear(784, 5))


models = torchvision.models
REAL: dict[str, tuple[Callable[[], nn.Module], int, list[str]]] = {
    "resnet18": (models.resnet18, 64, ["layer1", "layer2.0.conv2", "layer2.0.downsample.0", "layer4.1.bn2", "layer4"]),
    "densenet121": (models.densenet121, 64, ["features.denseblock3.denselayer2.norm2", "features.norm5", "features"]),
    "googlenet": (
        lambda: models.googlenet(aux_logits=False, init_weights=False),
        64,
        ["inception4a.branch1", "inception4a.branch3", "inception5b"],
    ),
    "efficientnet_b0": (models.efficientnet_b0, 64, ["features.3.0.block.1", "features.6", "features"]),
    "vgg": (narrow_vgg, 32, ["0.0", "0.7", "0"]),
    "vit_b_16": (
        lambda: redrawn(models.vit_b_16()),
        224,
        ["encoder.layers.encoder_layer_8", "encoder.layers.encoder_layer_10"],
    ),
    "timm vit": (
        lambda: timm.create_model("vit_tiny_patch16_224", img_size=64),
        64,
        ["blocks.3", "blocks.10"],
    ),
}


@pytest.mark.parametrize("name", REAL)
def test_real_networks_equal_the_uncut_graph_to_the_bit(name: str) -> None:
    assert_equals_uncut(name, torch.float32, detached=False, tolerance=0)


@pytest.mark.parametrize("name", REAL)
def test_so_do_those_of_inference_weights_but_for_rounding(name: str) -> None:
    """They are replaced by copies in the pass, and where a copy lies in memory chooses among matrix kernels."""
    assert_equals_uncut(name, torch.float64, detached=True, tolerance=1e-12)


def assert_equals_uncut(name: str, dtype: torch.dtype, detached: bool, tolerance: float) -> None:
    build, side, names = REAL[name]
    model, x = seeded(build, dtype), images(2, 3, side, side, dtype=dtype)
    output, activations, gradients = uncut(model, x, names, CLASSES)
    with torch.inference_mode(detached):
        model = copy.deepcopy(model).train()

    def same(gradients: Tensor, expected: Tensor) -> bool:
        return bool((gradients - expected).abs().max() <= tolerance * expected.abs().max())

    pinned = PinnedClasses(torch.tensor(CLASSES).unsqueeze(1))
    with untouched(model, x):
        trace = observe(model, x, [Tap(layer) for layer in names], lambda _: [pinned], gradients=True)
    assert same(trace.output, output)
    for layer in names:
        tap = Tap(layer)
        assert bool(gradients[layer].any())
        assert same(trace.activations[tap], as_map(activations[layer]))
        assert same(trace.gradients[tap].squeeze(1), as_map(gradients[layer]))


def as_map(tensor: Tensor) -> Tensor:
    """Tokens behind one class token as a square map, anything else as it is."""
    if tensor.dim() == 4:
        return tensor
    side = int((tensor.shape[1] - 1) ** 0.5)
    return tensor[:, 1:].unflatten(1, (side, side)).permute(0, 3, 1, 2)
