"""Methods that look at activations alone, controls, and CAM, restated slowly: loops, float64, no xaikit."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import xaikit
from helpers.nets import PROPERTY, Net, Spec, distance, evidence, of_class, specs
from helpers.slow_formulas import Array, weighted
from helpers.views import made_view
from xaikit.registry import Registry

EXACT = 1e-10
LAYERS = ["features.conv0", "features"]
KERNELS = ("sigmoid", "rbf", "poly", "cosine")
LOST = "the kernel cannot tell places apart, its map is zero"
LABEL_FREE = ["fem", "lafam", "kpcacam", "randomcam"]


def fem(a: Array, times: float = 2.0, variant: str = "paper") -> Array:
    """sum_k mu_k 1[A_k > mu_k + 2 sigma_k] (Fuad et al. 2020), or pytorch-grad-cam's sum_k mean(B_k) A_k."""
    saliency = np.zeros(a.shape[1:])
    for channel in a:
        places = [channel[ij] for ij in np.ndindex(channel.shape)]
        mean = sum(places) / len(places)
        spread = math.sqrt(sum((one - mean) ** 2 for one in places) / len(places))
        strong = {ij for ij in np.ndindex(channel.shape) if channel[ij] > mean + times * spread}
        if max(places) == min(places):
            strong = set()
        for ij in np.ndindex(channel.shape):
            if variant == "paper":
                saliency[ij] += mean * (ij in strong)
            else:
                saliency[ij] += len(strong) / len(places) * channel[ij]
    return saliency


def lafam(a: Array) -> Array:
    """The mean over the channels (Karjauv and Albayrak 2024)."""
    return weighted([1 / len(a)] * len(a), a)


def cam(a: Array, weights: Array) -> Array:
    """sum_k W_ck A_k (Zhou et al. 2016)."""
    return weighted(list(weights), a)


def segeigencam(a: Array, g: Array) -> Array:
    """The first component of centred |g| A by a full decomposition, upside down where |min| > |max| (Eq. 10 to 13)."""
    rows = (np.abs(g) * a).reshape(len(a), -1).T
    rows = rows - rows.mean(0)
    projection = rows @ np.linalg.svd(rows, full_matrices=True)[2][0]
    turned = abs(projection.min()) > abs(projection.max())
    return (-projection if turned else projection).reshape(a.shape[1:])


def kernel_of(a: Array, name: str, gamma: float | None) -> Array:
    """The kernel of every two places, centred in feature space: K - 1K - K1 + 1K1."""
    rows = places_of(a)
    gamma = gamma or 1 / len(a)
    count = len(rows)
    kernel = np.zeros((count, count))
    for p in range(count):
        for q in range(count):
            dot = float(rows[p] @ rows[q])
            lengths = float(np.linalg.norm(rows[p]) * np.linalg.norm(rows[q]))
            kernel[p, q] = {
                "sigmoid": math.tanh(gamma * dot + 1),
                "rbf": math.exp(-gamma * float(((rows[p] - rows[q]) ** 2).sum())),
                "poly": (gamma * dot + 1) ** 3,
                "cosine": dot / lengths if lengths else 0.0,
            }[name]
    ones = np.full((count, count), 1 / count)
    centred: Array = kernel - ones @ kernel - kernel @ ones + ones @ kernel @ ones
    return centred


def places_of(a: Array) -> Array:
    """(places, channels) less each channel's mean; constant channels are nothing."""
    rows = a.reshape(len(a), -1).T
    centred: Array = (rows - rows.mean(0)) * (rows.max(0) > rows.min(0))
    return centred


def kpcacam(a: Array, name: str, gamma: float | None) -> Array:
    """sqrt(l_1) u_1 of the centred kernel (Karmani et al. 2024); the sign agrees with the mean over the channels."""
    values, vectors = np.linalg.eigh(kernel_of(a, name, gamma))
    component = math.sqrt(max(values[-1], 0.0)) * vectors[:, -1]
    agreement = sum(component * places_of(a).mean(1))
    return (component if agreement >= 0 else -component).reshape(a.shape[1:])


def each(spec: Spec, net: Net, x: Tensor, layer: str, formula: Callable[..., Any]) -> Tensor:
    """The formula of activation and gradient, sample by sample."""
    pairs = zip(*(one.numpy() for one in evidence(net, x, layer, of_class(spec.targets))), strict=True)
    return torch.from_numpy(np.stack([formula(a, g) for a, g in pairs]))


def explained(net: Net, x: Tensor, method: Any, target: Any = 0, layers: Any = "features", **more: Any) -> Any:
    return xaikit.explain(net, x, {"it": method}, layers=layers, target=target, **more)["it"]


@pytest.mark.parametrize("variant", ["paper", "grad_cam"])
@given(spec=specs(), times=st.sampled_from((0.0, 1.0, 2.0)))
@PROPERTY
def test_fem_is_its_formula(variant: str, spec: Spec, times: float) -> None:
    net, x = spec.build()
    explanation = explained(net, x, {"use": "fem", "k": times, "variant": variant}, layers=LAYERS)
    for layer in LAYERS:
        expected = each(spec, net, x, layer, lambda a, g: fem(a, times, variant))
        assert (explanation.maps[layer] - expected).abs().max() <= EXACT


def test_fem_finds_nothing_unusual_in_a_constant_channel_however_its_mean_is_rounded() -> None:
    """In float32 some means of 49 equal numbers are less than the number."""
    constant = torch.linspace(0.1, 1.0, 64).reshape(1, 64, 1, 1).expand(1, 64, 7, 7)
    assert (constant > constant.mean((2, 3), keepdim=True)).any()
    method = Registry().find("method", "fem").cls
    for variant in ("paper", "grad_cam"):
        assert not method(k=0.0, variant=variant).explain(made_view(constant)).any()


def test_fem_of_five_places_is_nothing_and_of_six_one_can_stand_out() -> None:
    method = Registry().find("method", "fem").cls()
    for places, unusual in ((5, 0), (6, 1)):
        one = torch.zeros(1, 1, places, dtype=torch.float64)
        one[0, 0, 2] = 1.0
        assert int(method.explain(made_view(one)).count_nonzero()) == unusual


@given(specs())
@PROPERTY
def test_lafam_is_its_formula(spec: Spec) -> None:
    net, x = spec.build()
    explanation = explained(net, x, "lafam", layers=LAYERS)
    for layer in LAYERS:
        assert (explanation.maps[layer] - each(spec, net, x, layer, lambda a, g: lafam(a))).abs().max() <= EXACT


def gap(matrix: Array) -> float:
    """How far the second eigenvalue is below the first: what the first component's rounding grows by."""
    values = np.linalg.eigvalsh(matrix)
    return float(1 - values[-2] / values[-1]) if len(values) > 1 and values[-1] > 0 else 1.0


@given(specs())
@PROPERTY
def test_segeigencam_is_its_formula(spec: Spec) -> None:
    net, x = spec.build()
    explanation = explained(net, x, "segeigencam", spec.targets, LAYERS)

    def slack(a: Array, g: Array) -> Array:
        rows = places_of(np.abs(g) * a)
        return np.asarray(gap(rows.T @ rows))

    for layer in LAYERS:
        expected = each(spec, net, x, layer, segeigencam).flatten(1)
        # where |min| is |max| within rounding, either side may be up
        level = (expected.amax(1) + expected.amin(1)).abs() <= EXACT * expected.abs().amax(1)
        maps = explanation.maps[layer].flatten(1)
        side = torch.where(level[:, None] & ((maps * expected).sum(1, keepdim=True) < 0), -maps, maps)
        far = (side - expected).abs().amax(1) * each(spec, net, x, layer, slack)
        assert (far <= EXACT * expected.abs().amax(1)).all(), layer


def test_segeigencam_turns_the_largest_deviation_up_where_eigengradcam_agrees_with_the_sum() -> None:
    """One place far below the others: there the two differ in the sign alone."""
    activation = torch.ones(1, 1, 5, 5, dtype=torch.float64)
    activation[0, 0, 2, 2] = -1.0
    view = made_view(activation, torch.ones(1, 1, 1, 5, 5, dtype=torch.float64))
    registry = Registry()
    seg = registry.find("method", "segeigencam").cls().explain(view)
    eigen = registry.find("method", "eigengradcam").cls(center=True).explain(view)
    assert distance(seg, -eigen) <= EXACT
    assert int(seg.argmax()) == 12


@pytest.mark.parametrize("gamma", [None, 0.2])
@pytest.mark.parametrize("kernel", KERNELS)
@given(spec=specs(width=st.integers(2, 5)))
@PROPERTY
def test_kpcacam_is_a_full_eigendecomposition(kernel: str, gamma: float | None, spec: Spec) -> None:
    net, x = spec.build()
    explanation = explained(net, x, {"use": "kpcacam", "kernel": kernel, "gamma": gamma}, layers="features")
    expected = each(spec, net, x, "features", lambda a, g: kpcacam(a, kernel, gamma)).flatten(1)
    slack = each(spec, net, x, "features", lambda a, g: np.asarray(gap(kernel_of(a, kernel, gamma))))
    lost = {remark.sample for remark in explanation.warnings if remark.reason == LOST}
    determined = torch.tensor([row not in lost for row in range(spec.batch)])
    maps = explanation.maps["features"].flatten(1)
    agreement = each(spec, net, x, "features", lambda a, g: np.asarray(leaning(a, kernel, gamma)))
    side = torch.where((agreement[:, None] <= 1e-9) & ((maps * expected).sum(1, keepdim=True) < 0), -maps, maps)
    far = (side - expected).abs().amax(1) * slack
    assert (far <= EXACT * expected.abs().amax(1))[determined].all()
    # what the kernel does not tell apart is nothing: the root of a rounding, of which theirs is made
    assert not maps[~determined].any()
    assert (expected[~determined].abs() <= 1e-6).all()


def leaning(a: Array, kernel: str, gamma: float | None) -> float:
    """How clearly the component agrees with the mean over the channels, as a cosine."""
    component, mean = kpcacam(a, kernel, gamma).flatten(), places_of(a).mean(1)
    lengths = float(np.linalg.norm(component) * np.linalg.norm(mean))
    return abs(float(component @ mean)) / lengths if lengths else 0.0


@pytest.mark.parametrize("kernel", ["sigmoid", "rbf", "poly"])
def test_kpcacam_with_gamma_scale_is_that_number_and_knows_no_unit(kernel: str) -> None:
    """In float32 too, near 1e-20, whose squares underflow."""
    net, x = Spec(batch=1, depth=1, bias=False).build()
    a = evidence(net, x, "features", of_class([0]))[0][0].numpy()
    rows = places_of(a)
    gamma = 1 / (len(a) * float((rows**2).mean()))
    as_scale = {"use": "kpcacam", "kernel": kernel, "gamma": "scale"}
    saliency = explained(net, x, as_scale).maps["features"]
    assert distance(saliency, explained(net, x, as_scale | {"gamma": gamma}).maps["features"]) <= EXACT
    assert distance(saliency, explained(net, x * 100, as_scale).maps["features"]) <= EXACT
    tiny = explained(net.float(), x.float() * 1e-20, as_scale).maps["features"]
    assert distance(tiny.double(), saliency) <= 1e-3


def test_kpcacam_says_so_where_the_kernel_cannot_tell_places_apart() -> None:
    """With gamma 1 / C, activations near 1e-9 are no more than the rounding of tanh(1)."""
    net, x = Spec(depth=1, bias=False).build()
    lost = explained(net, x * 1e-9, "kpcacam")
    assert not lost.maps["features"].any()
    assert [remark.sample for remark in lost.warnings if remark.reason == LOST] == [0, 1]
    assert explained(net, x * 1e-9, {"use": "kpcacam", "gamma": "scale"}).maps["features"].any()
    assert LOST not in [remark.reason for remark in explained(net, x, "kpcacam").warnings]


@pytest.mark.parametrize("name", LABEL_FREE)
def test_the_forward_stops_at_the_layer(name: str) -> None:
    net, x = Spec().build()
    reached: list[object] = []
    net.head.register_forward_pre_hook(lambda module, args: reached.append(module))
    # the first pass learns that the layer runs once
    explained(net, x, name)
    reached.clear()
    assert explained(net, x, name).maps["features"].any()
    assert not reached


@pytest.mark.parametrize("name", [*LABEL_FREE, "segeigencam"])
def test_a_sample_that_is_not_finite_spoils_no_other(name: str) -> None:
    net, x = Spec(batch=3).build()
    clean = explained(net, x, name, layers="features.conv0").maps["features.conv0"]
    x[1, 0, 2, 2] = torch.nan
    saliency = explained(net, x, name, layers="features.conv0").maps["features.conv0"]
    assert distance(saliency[[0, 2]], clean[[0, 2]]) <= EXACT
    # no place of FEM is over a threshold that is not a number
    assert saliency[1].isnan().any()


@pytest.mark.parametrize("name", ["fem", "lafam", "segeigencam"])
def test_no_absolute_epsilon_swallows_small_evidence(name: str) -> None:
    """In float32 with activations near 1e-25, whose squares underflow."""
    net, x = Spec(bias=False, depth=1).build(torch.float32)
    tiny = explained(net, x * 1e-25, name).maps["features"]
    assert distance(tiny * 1e25, explained(net, x, name).maps["features"]) < 1e-5


@pytest.mark.parametrize(
    ("method", "option", "value", "expected"),
    [
        ("fem", "k", -1.0, "k: expected at least 0, got -1.0"),
        ("fem", "k", math.nan, "k: expected at least 0, got nan"),
        ("fem", "variant", "papers", "variant: expected one of paper, grad_cam, got 'papers'"),
        ("kpcacam", "kernel", "linear", "kernel: expected one of sigmoid, rbf, poly, cosine, got 'linear'"),
        ("kpcacam", "gamma", 0.0, "gamma: expected a number above 0, scale or none, got 0.0"),
        ("kpcacam", "gamma", "auto", "gamma: expected a number above 0, scale or none, got 'auto'"),
        ("center", "std", 0.0, "std: expected more than 0, got 0.0"),
    ],
)
def test_an_option_that_is_rejected_is_named(method: str, option: str, value: Any, expected: str) -> None:
    with pytest.raises(ValueError, match="^" + expected + "$"):
        Registry().find("method", method).cls(**{option: value})
