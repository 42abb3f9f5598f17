"""LeGrad against TorchCAM 0.5, FullGrad against pytorch-grad-cam 1.5.7: where we agree, and where they stray.

None of them has rollout or GAE.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import pytorch_grad_cam as grad_cam
import torch
from torch import Tensor, nn
from torchcam import methods as torchcam
from torchvision.models import VisionTransformer

import xaikit
from helpers.nets import distance, photographs, random_model

CLOSE = 1e-4
CLASSES = [3, 1, 4]


def picture(saliency: Tensor) -> Tensor:
    """Between minimum and maximum."""
    low = saliency.amin((1, 2), keepdim=True)
    return (saliency - low) / (saliency.amax((1, 2), keepdim=True) - low)


# --- LeGrad


@cache
def vit() -> tuple[Any, Tensor]:
    """A small ViT of torchvision's with a head that is not zero, frozen as peers must be able to take it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = VisionTransformer(
            image_size=48, patch_size=12, num_layers=4, num_heads=3, hidden_dim=48, mlp_dim=96, num_classes=7
        )
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.15)
    return model.eval().requires_grad_(False), photographs(48).requires_grad_()


def torchcams(last: int, projection: Callable[[Tensor], Tensor] | None = None) -> Tensor:
    model, x = vit()
    with torchcam.LeGrad(model, list(model.encoder.layers)[-last:], score_projection=projection) as extractor:
        (saliency, *_) = extractor(CLASSES, model(x), normalized=False)
    return saliency.detach()


def legrad(last: int | None) -> Tensor:
    model, x = vit()
    spec = {"it": {"use": "legrad", "last": last}}
    return xaikit.explain(model, x.detach(), spec, target=CLASSES)["it"].maps["attention"]


def of_class_token(tokens: Tensor) -> Tensor:
    """As the model's own forward reads them."""
    model, _ = vit()
    logits: Tensor = model.heads(model.encoder.ln(tokens)[:, 0])
    return logits


@pytest.mark.parametrize("last", [1, 2, 4])
def test_legrad_equals_torchcams_where_that_scores_the_class_token(last: int) -> None:
    saliency = legrad(last)
    assert distance(picture(saliency), picture(torchcams(last, of_class_token))) <= CLOSE
    assert (saliency.flatten(1).std(1) > 0).all()


def test_legrad_differs_from_torchcams_own_which_scores_the_mean_of_all_tokens() -> None:
    """The head was trained on the class token: TorchCAM's score of the last block is not the model's."""
    model, x = vit()
    tokens: list[Tensor] = []
    handle = model.encoder.layers[-1].register_forward_hook(lambda *call: tokens.append(call[2]))
    scores = model(x)
    handle.remove()
    assert (of_class_token(tokens[0]) - scores).abs().max() <= CLOSE * scores.abs().max()
    assert (model.heads(model.encoder.ln(tokens[0].mean(1))) - scores).abs().max() > 0.05 * scores.abs().max()
    assert (picture(legrad(None)) - picture(torchcams(4))).abs().amax((1, 2)).min() > 0.05


# --- FullGrad


def pytorch_grad_cams(model: nn.Module, x: Tensor, times: float = 1e6) -> Tensor:
    """Of the logits times a number, which takes away the weight of the 1e-7 that it adds to every maximum."""
    targets = [lambda output, index=index: times * output[index] for index in CLASSES]
    with contextlib.redirect_stdout(io.StringIO()), grad_cam.FullGrad(model, []) as extractor:
        saliency = extractor(x.clone(), targets)
    return torch.from_numpy(np.asarray(saliency))


def fullgrad(model: nn.Module, x: Tensor, rescale: str = "channel") -> Tensor:
    spec = {"it": {"use": "fullgrad", "rescale": rescale}}
    return xaikit.explain(model, x, spec, target=CLASSES)["it"].maps["input"]


def settled(model: nn.Module) -> nn.Module:
    """With biases and running statistics that are not zero."""
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        for name in ("bias", "running_mean"):
            value = getattr(module, name, None)
            if isinstance(value, Tensor):
                value.data.normal_(std=0.1, generator=generator)
    return model.requires_grad_(False)


@pytest.mark.parametrize("name", ["vgg11", "resnet18"])
def test_fullgrad_equals_pytorch_grad_cams_on_convolutions_batch_normalization_and_relus(name: str) -> None:
    model, x = settled(random_model(name)), photographs(64)
    saliency = picture(fullgrad(model, x))
    assert distance(saliency, pytorch_grad_cams(model, x).double()) <= CLOSE
    assert (saliency.flatten(1).std(1) > 0.01).all()


def test_fullgrad_differs_where_biases_add_little_which_pytorch_grad_cams_epsilon_swallows() -> None:
    model, x = settled(random_model("vgg11")), photographs(64)
    saliency = picture(fullgrad(model, x))
    far = [(saliency - pytorch_grad_cams(model, x, times)).abs().amax((1, 2)).min() for times in (1.0, 1e-3)]
    assert far[0] > 1e-3
    assert far[1] > 0.03


class Smooth(nn.Module):
    """Its activation adds more than its convolutions do."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 6, 5, 2), nn.SiLU(), nn.Conv2d(6, 6, 3), nn.SiLU())
        self.head = nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.body(x).mean((2, 3)))
        return logits


def test_fullgrad_differs_where_activations_add_which_pytorch_grad_cam_does_not_count() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = settled(Smooth())
    x = photographs(32)
    far = (picture(fullgrad(model, x)) - pytorch_grad_cams(model, x)).abs().amax((1, 2))
    assert far.min() > 0.02


def test_stretching_a_layer_as_the_authors_code_does_is_another_picture() -> None:
    model, x = settled(random_model("resnet18")), photographs(64)
    far = (picture(fullgrad(model, x)) - picture(fullgrad(model, x, "layer"))).abs().amax((1, 2))
    assert far.min() > 0.02
