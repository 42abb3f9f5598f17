"""Attributions of the input beside Captum's: equal where both mean the same, and the differences pinned."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from captum import attr
from torch import Tensor, nn

import xaikit

pytestmark = [
    pytest.mark.filterwarnings("ignore:Input Tensor . did not already require gradients"),
    pytest.mark.filterwarnings("ignore:Setting forward, backward hooks"),
]
RAW = {"rectify": "none", "normalize": "none", "resize": "none", "fuse": "none"}
CLASS = 1


def net() -> nn.Sequential:
    """Modules alone, each used once, as Captum's DeepLift wants it; dense, so that every place counts for itself."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        head = [nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3)]
        return nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), *head).double().eval()


def images() -> Tensor:
    return torch.randn(2, 2, 8, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def ours(method: Any, model: nn.Module | None = None, inputs: Tensor | None = None) -> Tensor:
    (explanation,) = xaikit.explain(
        model or net(), images() if inputs is None else inputs, method, target=CLASS, finish=RAW
    ).values()
    return explanation.maps["input"]


def close(one: Tensor, other: Tensor) -> bool:
    """To the float32 that Captum has weights of points in; it occludes in float32 alone."""
    tolerance = 1e-8 if other.dtype == torch.float64 else 1e-6
    return torch.allclose(one.to(other), other.detach(), rtol=1e-5, atol=tolerance)


def test_gradient() -> None:
    theirs = attr.Saliency(net()).attribute(images(), target=CLASS)
    assert close(ours("gradient"), theirs.amax(1))
    assert close(ours({"g": {"use": "gradient", "channels": "sum"}}), theirs.sum(1))
    signed = attr.Saliency(net()).attribute(images(), target=CLASS, abs=False)
    assert close(ours({"g": {"use": "gradient", "channels": "sum", "absolute": False}}), signed.sum(1))


@pytest.mark.parametrize(
    ("use", "theirs"), [("guidedbackprop", attr.GuidedBackprop), ("deconvnet", attr.Deconvolution)]
)
@pytest.mark.filterwarnings("ignore:Setting backward hooks on ReLU")
def test_gradients_that_relus_have_changed(use: str, theirs: Any) -> None:
    signed = theirs(net()).attribute(images(), target=CLASS)
    assert close(ours({"m": {"use": use, "channels": "sum", "absolute": False}}), signed.sum(1))
    assert close(ours(use), signed.abs().amax(1))


@pytest.mark.parametrize("layer", ["2", "3"])
@pytest.mark.filterwarnings("ignore:Setting backward hooks on ReLU")
def test_guided_gradcam(layer: str) -> None:
    """Upsampled linearly: by default Captum takes the nearest cell."""
    model = net()
    made = ours({"m": {"use": "guidedgradcam", "layer": layer, "channels": "sum", "absolute": False}}, model)
    peer = attr.GuidedGradCam(model, model[int(layer)])
    assert bool(made.any())
    assert close(made, peer.attribute(images(), target=CLASS, interpolate_mode="bilinear").sum(1))
    assert not close(made, peer.attribute(images(), target=CLASS).sum(1))


def test_input_times_gradient() -> None:
    assert close(ours("inputxgradient"), attr.InputXGradient(net()).attribute(images(), target=CLASS).sum(1))


@pytest.mark.parametrize(("quadrature", "theirs"), [("gauss", "gausslegendre"), ("midpoint", "riemann_middle")])
def test_integrated_gradients(quadrature: str, theirs: str) -> None:
    made = ours({"ig": {"use": "integratedgradients", "steps": 7, "quadrature": quadrature}})
    expected = attr.IntegratedGradients(net()).attribute(images(), target=CLASS, n_steps=7, method=theirs)
    assert close(made, expected.sum(1))


def test_integrated_gradients_from_the_mean() -> None:
    x = images()
    baseline = x.mean((2, 3), keepdim=True).expand_as(x)
    made = ours({"ig": {"use": "integratedgradients", "steps": 7, "baseline": "mean"}})
    expected = attr.IntegratedGradients(net()).attribute(x, baseline, target=CLASS, n_steps=7, method="gausslegendre")
    assert close(made, expected.sum(1))


def test_deeplift() -> None:
    expected = attr.DeepLift(net()).attribute(images(), torch.zeros_like(images()), target=CLASS)
    assert close(ours("deeplift"), expected.sum(1))


ACTIVATIONS = [nn.Sigmoid, nn.Tanh, nn.Softplus, nn.ELU, nn.LeakyReLU]
"""Those that Captum has a rule for."""


def of_steps(*steps: nn.Module) -> nn.Sequential:
    """The net with other steps between its convolutions."""
    first, _, *rest = net()
    return nn.Sequential(first, *steps, *rest)


@pytest.mark.parametrize("step", ACTIVATIONS)
def test_deeplift_of_other_activations(step: type[nn.Module]) -> None:
    model = of_steps(step())
    expected = attr.DeepLift(model).attribute(images(), torch.zeros_like(images()), target=CLASS)
    assert close(ours("deeplift", model), expected.sum(1))


def pooled(**windows: int) -> tuple[nn.Sequential, Tensor]:
    """A net with max pooling for photographs twice as large, and these."""
    model = of_steps(nn.ReLU(), nn.ZeroPad2d((0, 1, 0, 1)), nn.MaxPool2d(**windows))
    model[0] = nn.Conv2d(2, 4, 4).double()
    return model, torch.randn(2, 2, 14, 14, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def differences(model: nn.Module, x: Tensor) -> Tensor:
    return (model(x) - model(torch.zeros_like(x)))[:, CLASS].detach()


def test_deeplift_of_max_pooling() -> None:
    torch.manual_seed(0)
    model, x = pooled(kernel_size=2)
    expected = attr.DeepLift(model).attribute(x, torch.zeros_like(x), target=CLASS).sum(1)
    assert close(ours("deeplift", model, x), expected)


def test_deeplift_of_windows_that_overlap_sums_to_the_difference_where_captum_does_not() -> None:
    """It writes what windows give to a place over each other, where they share it."""
    torch.manual_seed(0)
    model, x = pooled(kernel_size=3, stride=2, padding=1)
    made, theirs = (
        ours("deeplift", model, x),
        attr.DeepLift(model).attribute(x, torch.zeros_like(x), target=CLASS).sum(1),
    )
    assert torch.allclose(made.sum((1, 2)), differences(model, x), atol=1e-10)
    assert not torch.allclose(theirs.sum((1, 2)), differences(model, x), rtol=0.01)


@pytest.mark.parametrize(
    ("use", "theirs"), [("deeplift", attr.DeepLift), ("integratedgradients", attr.IntegratedGradients)]
)
def test_from_any_baseline(use: str, theirs: Any) -> None:
    baseline = torch.randn(1, 2, 8, 8, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    more = {"method": "gausslegendre"} if use == "integratedgradients" else {}
    expected = theirs(net()).attribute(images(), baseline.expand_as(images()), target=CLASS, **more)
    assert close(ours({"m": {"use": use, "baseline": baseline[0]}}), expected.sum(1))


def test_expected_gradients() -> None:
    """Captum's draws are by chance, baseline and place, from the global generator: it comes as near to the expectation, the mean
    of integrated gradients over the baselines, as chance lets it; ours with as many draws comes nearer."""
    given = torch.randn(3, 2, 8, 8, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    many = {"use": "integratedgradients", "steps": 300, "quadrature": "midpoint"}
    exact = torch.stack([ours({"m": {**many, "baseline": one}}) for one in given]).mean(0)
    made = ours({"m": {"use": "expectedgradients", "baselines": given, "samples": 300}})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        theirs = attr.GradientShap(net()).attribute(images(), given, n_samples=300, stdevs=0.0, target=CLASS).sum(1)
    near, far = (float((each - exact).abs().mean() / exact.abs().mean()) for each in (made, theirs))
    assert near < 0.02
    assert near < far < 0.2


@pytest.mark.parametrize(("window", "stride"), [(2, 1), (4, 2), (3, 1)])
def test_occlusion(window: int, stride: int) -> None:
    made = ours({"o": {"use": "occlusion", "window": window, "stride": stride}}, net().float(), images().float())
    sliding = attr.Occlusion(net().float()).attribute(
        images().float(), (2, window, window), strides=(2, stride, stride), target=CLASS, baselines=0
    )
    # theirs has the same number in every channel
    assert close(made, sliding[:, 0])


def test_where_windows_do_not_fit_captum_cuts_the_last_one() -> None:
    """Ours is moved back instead, so that all windows have one size."""
    made = ours({"o": {"use": "occlusion", "window": 3, "stride": 2}}, net().float(), images().float())
    cut = attr.Occlusion(net().float()).attribute(
        images().float(), (2, 3, 3), strides=(2, 2, 2), target=CLASS, baselines=0
    )[:, 0]
    assert close(made[:, :4, :4], cut[:, :4, :4])
    assert not close(made, cut)


def test_kernel_shap_where_all_coalitions_are_scored() -> None:
    """Captum draws coalitions, and comes near with many of them; ours are the Shapley values, and so are Captum's own by all
    permutations."""
    x = images().float()[:1]
    cells = torch.arange(8) * 2 // 8
    mask = (cells[:, None] * 2 + cells).expand(1, 1, 8, 8)
    made = ours({"k": {"use": "kernelshap", "cells": 2, "samples": 14, "baseline": "zero"}}, net().float(), x)
    exact = attr.ShapleyValues(net().float()).attribute(x, target=CLASS, feature_mask=mask)
    assert close(made, exact[:, 0])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        drawn = attr.KernelShap(net().float()).attribute(x, target=CLASS, feature_mask=mask, n_samples=2000)
    assert torch.allclose(made, drawn[:, 0].to(made), atol=0.06 * float(made.abs().max()))


def test_smoothgrad_takes_the_size_of_the_mean() -> None:
    """As the authors' code does; Captum's NoiseTunnel over Saliency takes the mean of sizes, which noise alone makes large."""
    model, x = net(), images()
    made = ours({"s": {"use": "smoothgrad", "n": 400, "noise": 0.3}})
    sigma = [0.3 * float(one.max() - one.min()) for one in x]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        tunnel = attr.NoiseTunnel(attr.Saliency(model))
        signed, sizes = (
            torch.cat(
                [
                    tunnel.attribute(x[row : row + 1], nt_samples=400, stdevs=sigma[row], target=CLASS, abs=absolute)
                    for row in range(2)
                ]
            )
            for absolute in (False, True)
        )
    apart, error = (float((made - each.abs().amax(1)).abs().mean() / made.mean()) for each in (sizes, signed))
    assert error < 0.12
    assert apart > 2 * error
