"""``layers: auto`` on the architectures people use: what a human would point at, named without any table of names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import timm
import torch
import torchvision
from torch import Tensor, nn

from helpers.hard_nets import images, seeded
from helpers.nets import narrow, redrawn
from helpers.untouched import untouched
from xaikit.auto import auto
from xaikit.evidence.observe import observe
from xaikit.evidence.taps import Tap
from xaikit.targets import PinnedClasses

models = torchvision.models


def of_timm(name: str, **options: Any) -> Callable[[], nn.Module]:
    return lambda: timm.create_model(name, pretrained=False, **options)


Expected = list[tuple[str, tuple[int, ...]]]
TORCHVISION: dict[str, tuple[Callable[[], nn.Module], tuple[int, int], Expected]] = {
    "alexnet": (lambda: narrow(models.alexnet), (224, 224), [("avgpool", (256, 6, 6))]),
    "vgg11_bn": (lambda: narrow(models.vgg11_bn), (224, 224), [("avgpool", (512, 7, 7))]),
    "resnet18": (models.resnet18, (64, 64), [("layer4", (512, 2, 2))]),
    "resnet18, a strip": (models.resnet18, (48, 320), [("layer4", (512, 2, 10))]),
    "densenet121": (models.densenet121, (64, 96), [("features+", (1024, 2, 3))]),
    "googlenet": (
        lambda: models.googlenet(aux_logits=True, init_weights=False),
        (64, 64),
        [("inception5b", (1024, 2, 2))],
    ),
    "squeezenet1_1": (models.squeezenet1_1, (96, 64), [("features", (512, 5, 3))]),
    "mobilenet_v3_small": (models.mobilenet_v3_small, (64, 64), [("features", (576, 2, 2))]),
    "efficientnet_b0": (models.efficientnet_b0, (64, 96), [("features", (1280, 2, 3))]),
    "shufflenet_v2_x0_5": (models.shufflenet_v2_x0_5, (64, 64), [("conv5", (1024, 2, 2))]),
    "regnet_y_400mf": (models.regnet_y_400mf, (64, 64), [("trunk_output", (440, 2, 2))]),
    "swin_t": (models.swin_t, (64, 96), [("permute", (768, 2, 3))]),
    "vit": (
        lambda: models.VisionTransformer(64, 16, 4, 4, 64, 128, num_classes=10),
        (64, 64),
        [("encoder.layers.encoder_layer_2", (17, 64))],
    ),
    "vit_b_16": (lambda: models.vit_b_16(image_size=32), (32, 32), [("encoder.layers.encoder_layer_10", (5, 768))]),
}
TIMM: dict[str, tuple[Callable[[], nn.Module], tuple[int, int], Expected]] = {
    "vit_tiny": (of_timm("vit_tiny_patch16_224", img_size=(64, 96)), (64, 96), [("blocks.10", (25, 192))]),
    "deit_tiny_distilled": (
        of_timm("deit_tiny_distilled_patch16_224", img_size=64),
        (64, 64),
        [("blocks.10", (18, 192))],
    ),
    "swin_tiny": (
        of_timm("swin_tiny_patch4_window7_224", img_size=(64, 96), window_size=2),
        (64, 96),
        [("norm", (2, 3, 768))],
    ),
    "coat_tiny": (
        of_timm("coat_tiny", img_size=64),
        (64, 64),
        [(f"parallel_blocks.4[{k}]", (tokens, 152)) for k, tokens in ((1, 65), (2, 17), (3, 5))],
    ),
    "crossvit_9": (of_timm("crossvit_9_240"), (240, 240), [("blocks.1[0]", (401, 128)), ("blocks.1[1]", (197, 256))]),
    "tnt_s": (of_timm("tnt_s_patch16_224", img_size=64), (64, 64), [("blocks.10[1]", (17, 384))]),
    "levit_128s": (of_timm("levit_128s"), (224, 224), [("stages", (16, 384))]),
    "cait_xxs24": (of_timm("cait_xxs24_224", img_size=64), (64, 64), [("blocks", (16, 192))]),
    "hiera_tiny": (of_timm("hiera_tiny_224"), (224, 224), [("blocks.11", (49, 768))]),
    "mixer_s16": (of_timm("mixer_s16_224", img_size=64), (64, 64), [("norm", (16, 512))]),
    "efficientnet_lite0": (of_timm("efficientnet_lite0"), (64, 96), [("bn2", (1280, 2, 3))]),
}
NETWORKS = TORCHVISION | TIMM


@pytest.mark.parametrize("name", NETWORKS)
def test_it_points_where_a_human_would(name: str) -> None:
    build, size, expected = NETWORKS[name]
    model, x = redrawn(seeded(build, torch.float32)).train(), images(1, 3, *size, dtype=torch.float32)
    with untouched(model, x):
        considered = auto.consider(model, x, lambda output: output[:, 0])
    chosen = considered[-1]
    assert chosen.verdict == "chosen"
    layers = [(str(tap), shape[1:]) for tap, shape in zip(chosen.taps, chosen.shapes, strict=True)]
    assert layers == expected


def test_what_a_densenet_pools_is_what_is_tapped() -> None:
    model, x = seeded(models.densenet121, torch.float32), images(1, 3, 64, 96, dtype=torch.float32)
    tap = Tap("features", at="consumed")
    pinned = PinnedClasses(torch.tensor([[0]]))
    with untouched(model, x):
        trace = observe(model, x, [tap], lambda _: [pinned], gradients=True)
    pooled: Tensor = model.features(x).relu().detach()
    weights = model.classifier.weight.detach()[0]
    assert torch.equal(trace.activations[tap], pooled)
    # pooling and one linear layer: the gradient is the class's weight over the number of places
    torch.testing.assert_close(trace.gradients[tap][0, 0], (weights / 6)[:, None, None].expand(1024, 2, 3))
