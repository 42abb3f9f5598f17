"""Each formula restated slowly, as its paper prints it: loops over k, i, j, float64, plain autograd, no xaikit.

A reference takes one sample's activation A and gradient g, both (C, *S), and returns the map before the final ReLU.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from torch import Tensor

import xaikit
from helpers.nets import PROPERTY, Net, Spec, distance, evidence, of_class, specs
from helpers.slow_formulas import Array, weighted

EXACT = 1e-10


def gradcam(a: Array, g: Array) -> Array:
    """w_k = 1/Z sum_ij g_kij; L = sum_k w_k A_k (Selvaraju et al. 2017, eqs. 1 and 2)."""
    weights = []
    for k in range(len(a)):
        total = 0.0
        for ij in np.ndindex(a[k].shape):
            total += g[k][ij]
        weights.append(total / a[k].size)
    return weighted(weights, a)


def xgradcam(a: Array, g: Array) -> Array:
    """w_k = sum_ij (A_kij / sum_ab A_kab) g_kij (Fu et al. 2020)."""
    weights = []
    for k in range(len(a)):
        mass, weight = total_of(a[k]), 0.0
        for ij in np.ndindex(a[k].shape):
            weight += a[k][ij] / mass * g[k][ij] if mass else 0.0
        weights.append(weight)
    return weighted(weights, a)


def gradcampp(a: Array, g: Array) -> Array:
    """w_k = sum_ij alpha_kij relu(g_kij), alpha = g^2 / (2 g^2 + g^3 sum_ab A_kab) (Chattopadhay et al. 2018, eqs. 7, 19)."""
    return smoothgradcampp(a, [g])


def smoothgradcampp(a: Array, noisy: list[Array], printed: bool = False) -> Array:
    """As Grad-CAM++ with g, g^2, g^3 averaged over noisy inputs, A of the clean one (Omeiza et al. 2019).

    As printed, the numerator of alpha is the mean of g; else that of g^2. Where the denominator is less than a tenth of
    the mean of g^2, alpha fades to 0.
    """
    weights = []
    for k in range(len(a)):
        mass, weight = total_of(a[k]), 0.0
        for ij in np.ndindex(a[k].shape):
            d1, d2, d3 = (sum(g[k][ij] ** power for g in noisy) / len(noisy) for power in (1, 2, 3))
            denominator = 2 * d2 + mass * d3
            if d1 > 0 and denominator > 0:
                inverse = 1 / denominator if denominator >= 0.1 * d2 else denominator / (0.1 * d2) ** 2
                weight += (d1 if printed else d2) * inverse * d1
        weights.append(weight)
    return weighted(weights, a)


def layercam(a: Array, g: Array) -> Array:
    """L_ij = sum_k relu(g_kij) A_kij (Jiang et al. 2021)."""
    saliency = np.zeros(a.shape[1:])
    for k in range(len(a)):
        for ij in np.ndindex(a[k].shape):
            saliency[ij] += max(g[k][ij], 0.0) * a[k][ij]
    return saliency


def hirescam(a: Array, g: Array) -> Array:
    """L_ij = sum_k g_kij A_kij (Draelos and Carin 2020)."""
    saliency = np.zeros(a.shape[1:])
    for k in range(len(a)):
        for ij in np.ndindex(a[k].shape):
            saliency[ij] += g[k][ij] * a[k][ij]
    return saliency


def total_of(channel: Array) -> float:
    total = 0.0
    for ij in np.ndindex(channel.shape):
        total += float(channel[ij])
    return total


ONE_PASS: dict[str, Callable[[Array, Array], Array]] = {
    "gradcam": gradcam,
    "gradcampp": gradcampp,
    "xgradcam": xgradcam,
    "layercam": layercam,
    "hirescam": hirescam,
}


def by_reference(net: Net, x: Tensor, layer: str, score: Any, formula: Callable[[Array, Array], Array]) -> Tensor:
    activations, gradients = evidence(net, x, layer, score)
    maps = [formula(a, g) for a, g in zip(activations.numpy(), gradients.numpy(), strict=True)]
    return torch.from_numpy(np.stack(maps))


@given(specs())
@PROPERTY
def test_every_one_pass_method_is_its_papers_formula(spec: Spec) -> None:
    net, x = spec.build()
    layers = ["features.conv0", "features"]
    explanations = xaikit.explain(net, x, list(ONE_PASS), layers=layers, target=spec.targets)
    for name, formula in ONE_PASS.items():
        for layer in layers:
            expected = by_reference(net, x, layer, of_class(spec.targets), formula)
            assert distance(explanations[name].maps[layer], expected) <= EXACT, (name, layer)


@given(specs())
@PROPERTY
def test_grad_campp_is_its_papers_formula_where_gradients_are_large(spec: Spec) -> None:
    """Scores times 50: g sum A is no longer small beside 2, and on signed layers the denominator changes sign."""
    net, x = spec.build()
    layers = ["features.conv0", "features"]
    explanations = xaikit.explain(net, x, "gradcampp", layers=layers, target=lambda output: 50 * output[:, 0])
    for layer in layers:
        expected = by_reference(net, x, layer, lambda output: 50 * output[:, 0], gradcampp)
        assert distance(explanations["gradcampp"].maps[layer], expected) <= EXACT


def noisy_inputs(net: Net, x: Tensor, **call: Any) -> tuple[xaikit.Explanation, list[Tensor]]:
    """The explanation of smoothgradcampp, and the inputs that the model received after the clean one."""
    xaikit.explain(net, x, **call)  # which axis is what is looked for once
    received: list[Tensor] = []
    handle = net.register_forward_pre_hook(lambda _, inputs: received.append(inputs[0].detach().clone()))
    (explanation,) = xaikit.explain(net, x, **call).values()
    handle.remove()
    assert torch.equal(received[0], x)
    return explanation, received[1:]


@pytest.mark.parametrize("variant", ["corrected", "paper"])
@given(spec=specs())
@PROPERTY
def test_smooth_grad_campp_is_its_papers_formula(variant: str, spec: Spec) -> None:
    net, x = spec.build()
    method = {"smooth": {"use": "smoothgradcampp", "n": 3, "variant": variant}}
    layers = ["features.conv0", "features"]
    explanation, noisy = noisy_inputs(net, x, methods=method, layers=layers, target=spec.targets)
    assert len(noisy) == 3
    for layer in layers:
        activations, _ = evidence(net, x, layer, of_class(spec.targets))
        passes = [evidence(net, one, layer, of_class(spec.targets))[1].numpy() for one in noisy]
        maps = [
            smoothgradcampp(activation.numpy(), [one[row] for one in passes], printed=variant == "paper")
            for row, activation in enumerate(activations)
        ]
        assert distance(explanation.maps[layer], torch.from_numpy(np.stack(maps))) <= EXACT


def test_smooth_grad_campp_adds_normal_noise_of_its_std_to_each_sample() -> None:
    net, x = Spec(batch=3).build()
    method = {"smooth": {"use": "smoothgradcampp", "n": 60, "std": 0.5}}
    _, noisy = noisy_inputs(net, x, methods=method, layers="features", target=0)
    noise = torch.stack(noisy) - x
    draws = noise.numel() ** 0.5
    assert len(noisy) == 60
    assert abs(noise.mean().item()) < 4 * 0.5 / draws
    assert abs(noise.std().item() - 0.5) < 4 * 0.5 / draws
    assert len(set(noise.flatten().tolist())) == noise.numel()


@pytest.mark.parametrize("name", sorted(ONE_PASS))
def test_no_absolute_epsilon_swallows_small_gradients(name: str) -> None:
    """In float32 with gradients near 1e-20, whose squares underflow, every map still is that of the limit g -> 0."""
    net, x = Spec().build(torch.float32)
    tiny = xaikit.explain(net, x, name, layers="features", target=lambda output: output[:, 0] * 1e-20)
    small = xaikit.explain(net, x, name, layers="features", target=lambda output: output[:, 0] * 1e-8)
    assert distance(tiny[name].maps["features"] * 1e12, small[name].maps["features"]) < 1e-5


def signed_case() -> tuple[Net, Tensor]:
    """A layer that returns its input, so that the test writes the activations; channel 0 sums to nothing or less."""
    net, _ = Spec(dims=1, depth=1, width=2, kernel=1, bias=False, batch=1).build()
    with torch.no_grad():
        net.get_parameter("features.conv0.weight").copy_(torch.eye(2)[..., None])
        net.get_parameter("head.2.weight").fill_(11.0)
    x = torch.ones(1, 2, 11, dtype=torch.float64)
    return net, x


def test_xgradcam_gives_no_weight_to_activations_that_cancel_and_says_so() -> None:
    net, x = signed_case()
    x[0, 0] = torch.linspace(-5, 5, 11)
    explanation = xaikit.explain(net, x, "xgradcam", layers="features.conv0", target=0)["xgradcam"]
    _, gradient = evidence(net, x, "features.conv0", lambda output: output[:, 0])
    assert distance(explanation.maps["features.conv0"], (gradient[:, 1].mean() * x[:, 1])) <= EXACT
    assert [(remark.sample, remark.count) for remark in explanation.warnings if "cancel" in remark.reason] == [(0, 1)]


def test_grad_campp_gives_no_weight_where_its_denominator_is_not_positive_and_says_so() -> None:
    """Channel 0 sums to -9 and has g = 1 at one place: 2 + g sum A = -7; channel 1 sums to 11: alpha = 1/13."""
    net, x = signed_case()
    x[0, 0] = torch.tensor([1.0] + [-1.0] * 10)
    explanation = xaikit.explain(net, x, "gradcampp", layers="features.conv0", target=0)["gradcampp"]
    expected = by_reference(net, x, "features.conv0", lambda output: output[:, 0], gradcampp)
    assert distance(explanation.maps["features.conv0"], expected) <= EXACT
    assert distance(expected, torch.full_like(expected, 11 / 13)) <= EXACT
    assert [(remark.sample, remark.count) for remark in explanation.warnings if "alpha" in remark.reason] == [(0, 1)]
