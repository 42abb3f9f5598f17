"""LRP is zennit's, rule by rule and composite by composite; what differs is said with its reason."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn
from zennit import composites
from zennit.canonizers import SequentialMergeBatchNorm
from zennit.composites import LayerMapComposite
from zennit.rules import AlphaBeta, Epsilon, Flat, Gamma, WSquare, ZBox, ZPlus
from zennit.torchvision import ResNetCanonizer

import xaikit
from helpers.rules import ruled
from xaikit import Backward, LinearRule
from xaikit_relevance.lrp import LRP

CLASS = 1
RAW = {"rectify": "none", "normalize": "none", "scale": "none", "resize": "none", "fuse": "none"}
LOW, HIGH = -2.5, 2.0


def plain() -> nn.Module:
    """Where zennit merges a normalization it goes on to divide by sqrt(1 + eps): here that is nothing."""
    layers = [
        *(nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6, eps=1e-12), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 8, 3, stride=2, groups=2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(8, 7), nn.ReLU(), nn.Linear(7, 4)),
    ]
    return seeded(nn.Sequential(*layers))


def seeded(model: nn.Module) -> nn.Module:
    """Evaluating in float64, with statistics and biases that are not zero."""
    generator = torch.Generator().manual_seed(0)
    for value in model.parameters():
        value.data.normal_(0, 0.3, generator=generator)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(0, 0.3, generator=generator)
            module.running_var.uniform_(0.5, 2, generator=generator)
    return model.double().eval()


def images(side: int = 14) -> Tensor:
    return torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1), dtype=torch.float64).clamp(
        LOW, HIGH
    )


def theirs(model: nn.Module, composite: Any, x: Tensor) -> Tensor:
    leaf = x.clone().requires_grad_()
    with composite.context(model) as modified:
        scores = modified(leaf)
        start = torch.zeros_like(scores)
        start[:, CLASS] = scores.detach()[:, CLASS]
        (relevance,) = torch.autograd.grad(scores, leaf, start)
    return relevance.sum(1)


def ours(model: nn.Module, method: LRP, x: Tensor, layer: str = "input") -> Tensor:
    explained = xaikit.explain(model, x, {"lrp": method}, layers=layer, target=CLASS, finish=RAW)["lrp"]
    return explained.maps[layer]


def close(one: Tensor, other: Tensor) -> bool:
    return torch.allclose(one, other, rtol=1e-7, atol=1e-10 * float(other.abs().amax()))


BOX = {"low": LOW, "high": HIGH}
COMPOSITES: dict[str, Any] = {
    "epsilon_plus": composites.EpsilonPlus,
    "epsilon_plus_flat": composites.EpsilonPlusFlat,
    "epsilon_alpha2_beta1": composites.EpsilonAlpha2Beta1,
    "epsilon_alpha2_beta1_flat": composites.EpsilonAlpha2Beta1Flat,
    "epsilon_gamma_box": lambda **more: composites.EpsilonGammaBox(low=LOW, high=HIGH, **more),
}


@pytest.mark.parametrize("name", COMPOSITES)
def test_a_composite_is_zennits_of_the_same_name(name: str) -> None:
    model, x = plain(), images()
    expected = theirs(model, COMPOSITES[name](canonizers=[SequentialMergeBatchNorm()]), x)
    assert close(ours(model, LRP(composite=name, **BOX if "box" in name else {}), x), expected)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", COMPOSITES)
def test_so_it_is_of_a_residual_network(name: str) -> None:
    model, x = seeded(torchvision.models.resnet18(num_classes=4)), images(32)
    expected = theirs(model, COMPOSITES[name](canonizers=[ResNetCanonizer()]), x)
    found = ours(model, LRP(composite=name, **BOX if "box" in name else {}), x)  # type: ignore[arg-type]
    # its rule for sums and average pooling adds 1e-6 to what it divides by; gradients add nothing
    assert torch.allclose(found, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().amax()))


RULES: dict[str, tuple[LinearRule, Any]] = {
    "epsilon": (LinearRule(epsilon=0.3), lambda: Epsilon(epsilon=0.3)),
    "gamma": (LinearRule("gamma", gamma=0.7), lambda: Gamma(gamma=0.7)),
    "z plus": (LinearRule("alphabeta"), ZPlus),
    "alpha beta": (LinearRule("alphabeta", alpha=3.0, beta=2.0), lambda: AlphaBeta(alpha=3, beta=2)),
    "box": (LinearRule("box", low=LOW, high=HIGH), lambda: ZBox(low=LOW, high=HIGH)),
    "flat": (LinearRule("flat"), Flat),
    "squared weights": (LinearRule("wsquare"), WSquare),
}
LAYERS: dict[str, Any] = {
    "convolution": lambda: nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1, dilation=2), nn.Flatten()),
    "without a bias": lambda: nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.Flatten()),
    "transposed": lambda: nn.Sequential(nn.ConvTranspose2d(3, 4, 3, stride=2), nn.Flatten()),
    "in one dimension": lambda: nn.Sequential(nn.Flatten(2), nn.Conv1d(3, 4, 3), nn.Flatten()),
    "dense": lambda: nn.Sequential(nn.Flatten(), nn.Linear(3 * 14 * 14, 4)),
    "dense on every place": lambda: nn.Sequential(nn.Linear(14, 4), nn.Flatten()),
}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("layer", LAYERS)
def test_a_rule_of_one_layer_is_zennits(rule: str, layer: str) -> None:
    model, x = seeded(LAYERS[layer]()), images()
    mine, their = RULES[rule]
    leaf = x.clone().requires_grad_()
    _, (gradient,) = ruled(Backward(first=mine), model, leaf, [leaf], lambda output: output[:, CLASS : CLASS + 1])
    assert gradient is not None
    kinds = (nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
    assert close(gradient.sum(1), theirs(model, LayerMapComposite([(kinds, their())]), x))


@pytest.mark.parametrize("rule", ["box", "flat", "squared weights"])
def test_zeros_around_the_input_are_no_pixels_wherever_they_are_put(rule: str) -> None:
    """zennit gives a share to what is padded outside of the convolution, which then is no pixel's."""
    within = seeded(nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Flatten()))
    apart = nn.Sequential(nn.ZeroPad2d(1), seeded(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten()))).double()
    x, (mine, their) = images(), RULES[rule]
    composite = LayerMapComposite([(nn.Conv2d, their())])
    found = []
    for model in (within, apart):
        leaf = x.clone().requires_grad_()
        _, (gradient,) = ruled(Backward(first=mine), model, leaf, [leaf], lambda output: output[:, CLASS : CLASS + 1])
        assert gradient is not None
        found.append(gradient.sum(1))
    assert close(found[0], found[1])
    assert close(found[0], theirs(within, composite, x))
    assert not torch.allclose(found[1], theirs(apart, composite, x), rtol=1e-2)


def test_frozen_weights_change_nothing() -> None:
    model, x = plain(), images()
    expected = ours(model, LRP(composite="epsilon_gamma_box"), x)
    assert torch.equal(ours(model.requires_grad_(False), LRP(composite="epsilon_gamma_box"), x), expected)


def test_a_normalization_that_is_behind_no_layer_has_a_share_for_its_shift() -> None:
    """zennit hands its relevance through as it is; a shift is a bias to the other rules, and so it is here."""
    model = seeded(nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3), nn.Flatten()))
    x, rule = images(), LRP(composite="epsilon", epsilon=0.0)
    leaf = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(model(leaf)[:, CLASS].sum(), leaf)
    assert close(ours(model, rule, x), (x * gradient).sum(1))
    composite = LayerMapComposite([(nn.BatchNorm2d, composites.Pass()), (nn.Conv2d, Epsilon(epsilon=0.0))])
    assert not torch.allclose(theirs(model, composite, x), (x * gradient).sum(1), rtol=1e-2)
