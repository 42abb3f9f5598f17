"""The methods that score variants, and those that decompose, restated slowly: loops, float64, no xaikit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import xaikit
from helpers.mask_formulas import EXACT, LAYERS, MASKS, Sample, Scores, each_sample, mask_of
from helpers.nets import PROPERTY, Spec, distance, specs
from helpers.slow_formulas import Array, weighted

WEIGHTINGS = ("increase", "softmax", "raw")


def elementcam(a: Array, g: Array) -> Array:
    """L_ij = sum_k relu(g_kij A_kij) (pytorch-grad-cam's GradCAMElementWise)."""
    saliency = np.zeros(a.shape[1:])
    for k in range(len(a)):
        for ij in np.ndindex(a[k].shape):
            saliency[ij] += max(g[k][ij] * a[k][ij], 0.0)
    return saliency


def eigencam(evidence: Array, center: bool = False) -> Array:
    """L = X v_1 by a full singular value decomposition (Muhammad and Yeasin 2020); the sign agrees with the mean."""
    rows = evidence.reshape(len(evidence), -1).T
    if center:
        rows = rows - rows.mean(0)
    projection = rows @ np.linalg.svd(rows, full_matrices=True)[2][0]
    agreement = sum(projection[place] * sum(rows[place]) for place in range(len(rows)))
    return (projection if agreement >= 0 else -projection).reshape(evidence.shape[1:])


def ablationcam(a: Array, tail: Scores, c: int) -> Array:
    """w_k = y - y_k, with channel k set to zero; L = sum_k w_k A_k (Desai and Ramaswamy 2020, without / y)."""
    weights = []
    for k in range(len(a)):
        ablated = a.copy()
        ablated[k] = 0.0
        weights.append(tail(a)[c] - tail(ablated)[c])
    return weighted(weights, a)


def reciprocam(a: Array, tail: Scores, c: int) -> Array:
    """L_ij = y of activations that are zero everywhere but at ij (Byun and Lee 2022)."""
    saliency = np.zeros(a.shape[1:])
    for ij in np.ndindex(a[0].shape):
        alone = np.zeros_like(a)
        for k in range(len(a)):
            alone[k][ij] = a[k][ij]
        saliency[ij] = tail(alone)[c]
    return saliency


def scorecam(one: Sample, weighting: str, masks: str, top: int | None = None) -> Array:
    """w = softmax_k(y(x M_k) - y(0)), L = sum_k w_k A_k (Wang et al. 2020); constant channels are left out."""
    a, c = one.a, one.c
    live = [k for k in range(len(a)) if a[k].max() > a[k].min()]
    live = sorted(live, key=lambda k: -a[k].std())[:top]
    scores = {}
    for k in live:
        output = one.model(one.x * mask_of(a[k], one.x.shape[1:], masks))
        if weighting == "raw":
            scores[k] = float(np.exp(output[c]) / np.exp(output).sum())
        else:
            scores[k] = float(output[c]) - (float(one.model(0 * one.x)[c]) if weighting == "increase" else 0.0)
    if weighting != "raw":
        total = sum(np.exp(score) for score in scores.values())
        scores = {k: float(np.exp(score) / total) for k, score in scores.items()}
    return weighted([scores.get(k, 0.0) for k in range(len(a))], a)


FORMULAS: dict[str, Callable[[Sample], Array]] = {
    "elementcam": lambda one: elementcam(one.a, one.g),
    "ablationcam": lambda one: ablationcam(one.a, one.tail, one.c),
    "reciprocam": lambda one: reciprocam(one.a, one.tail, one.c),
}
DECOMPOSED: dict[str, Callable[[Sample], Array]] = {
    "eigencam": lambda one: one.a,
    "eigengradcam": lambda one: one.g * one.a,
}


def gap(evidence: Array, center: bool) -> float:
    """How far the second singular value is below the first: what the first component's rounding grows by."""
    rows = evidence.reshape(len(evidence), -1).T
    values = np.linalg.svd(rows - rows.mean(0) if center else rows, compute_uv=False)
    return float(1 - values[1] / values[0]) if len(values) > 1 and values[0] else 1.0


@pytest.mark.parametrize("method", FORMULAS)
@given(spec=specs())
@PROPERTY
def test_the_map_is_the_formula(method: str, spec: Spec) -> None:
    net, x = spec.build()
    explanation = xaikit.explain(net, x, method, layers=LAYERS, target=spec.targets)[method]
    for layer in LAYERS:
        assert distance(explanation.maps[layer], each_sample(spec, net, x, layer, FORMULAS[method])) <= EXACT


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("method", DECOMPOSED)
@given(spec=specs())
@PROPERTY
def test_the_map_is_a_full_singular_value_decomposition(method: str, center: bool, spec: Spec) -> None:
    net, x = spec.build()
    explanation = xaikit.explain(net, x, {method: {"center": center}}, layers=LAYERS, target=spec.targets)[method]
    rows = DECOMPOSED[method]
    for layer in LAYERS:
        slack = each_sample(spec, net, x, layer, lambda one: np.asarray(gap(rows(one), center)))
        expected = each_sample(spec, net, x, layer, lambda one: eigencam(rows(one), center))
        difference = (explanation.maps[layer] - expected).flatten(1).abs().amax(1)
        assert (difference * slack <= EXACT * expected.flatten(1).abs().amax(1)).all(), layer


@pytest.mark.parametrize("masks", MASKS)
@pytest.mark.parametrize("weighting", WEIGHTINGS)
@given(spec=specs(), top=st.sampled_from((None, 1, 2)))
@PROPERTY
def test_scorecam_is_its_papers_formula(weighting: str, masks: str, spec: Spec, top: int | None) -> None:
    net, x = spec.build()
    method = {"score": {"use": "scorecam", "weighting": weighting, "masks": masks, "top_channels": top}}
    explanation = xaikit.explain(net, x, method, layers=LAYERS, target=spec.targets)["score"]
    for layer in LAYERS:
        expected = each_sample(spec, net, x, layer, lambda one: scorecam(one, weighting, masks, top))
        assert distance(explanation.maps[layer], expected) <= EXACT


def test_the_variants_of_scorecam_differ_but_for_increase_and_softmax() -> None:
    """A stride of 2, so that masks are upsampled; four channels, of which two are the most varied."""
    net, x = Spec(stride=2).build()
    methods: dict[str, Any] = {one: {"use": "scorecam", "weighting": one} for one in WEIGHTINGS}
    methods |= {
        "torchcam": {"use": "scorecam", "masks": "normalize_first"},
        "two": {"use": "scorecam", "top_channels": 2},
    }
    explanations = xaikit.explain(net, x, methods, layers="features.conv0", target=0)
    maps = {label: one.maps["features.conv0"] for label, one in explanations.items()}
    assert distance(maps["softmax"], maps["increase"]) <= EXACT
    for label in ("raw", "torchcam", "two"):
        assert distance(maps[label], maps["increase"]) > 1e-6, label


def test_scorecam_costs_a_pass_for_no_channel_that_is_constant() -> None:
    """Two of four channels are dead: two masked inputs a sample, and where it is an increase the baseline."""
    net, x = Spec(bias=False).build()
    with torch.no_grad():
        net.get_parameter("features.conv1.weight")[[0, 2]] = 0.0
    for weighting, scored in (("increase", 3), ("softmax", 2)):
        received: list[int] = []
        handle = net.register_forward_pre_hook(lambda _, inputs, sizes=received: sizes.append(len(inputs[0])))
        xaikit.explain(net, x, {"s": {"use": "scorecam", "weighting": weighting}}, layers="features", target=0)
        handle.remove()
        assert sum(received[1:]) == scored * len(x)


def test_scorecam_shares_nothing_out_to_a_channel_that_is_constant_in_this_sample_alone() -> None:
    """Its mask is scored, as the other sample needs it, but takes no part in the softmax."""
    net, x = Spec(depth=1, kernel=1, width=2, bias=False).build()
    with torch.no_grad():
        net.get_parameter("features.conv0.weight").copy_(torch.eye(2)[..., None, None])
    x[0, 0] = -1.0
    both = xaikit.explain(net, x, "scorecam", layers="features", target=0)["scorecam"].maps["features"]
    assert distance(both[:1], x[:1, 1].relu()) <= EXACT
    assert distance(both[1:], x[1:, 1].relu()) > 0.1


def test_scorecam_of_a_layer_that_is_constant_is_zero() -> None:
    net, x = Spec(bias=False).build()
    with torch.no_grad():
        net.get_parameter("features.conv1.weight").zero_()
    explanation = xaikit.explain(net, x, "scorecam", layers="features", target=0)["scorecam"]
    assert torch.equal(explanation.maps["features"], torch.zeros(2, 7, 6, dtype=torch.float64))


@pytest.mark.parametrize("name", ["elementcam", "eigencam", "eigengradcam"])
def test_no_absolute_epsilon_swallows_small_evidence(name: str) -> None:
    """In float32 with activations near 1e-25, whose squares underflow."""
    net, x = Spec(bias=False, depth=1).build(torch.float32)
    tiny = xaikit.explain(net, x * 1e-25, name, layers="features", target=0)[name].maps["features"]
    plain = xaikit.explain(net, x, name, layers="features", target=0)[name].maps["features"]
    assert distance(tiny * 1e25, plain) < 1e-5


@pytest.mark.parametrize("name", ["ablationcam", "reciprocam", "scorecam", "eigencam", "eigengradcam", "elementcam"])
def test_a_sample_that_is_not_finite_spoils_no_other(name: str) -> None:
    net, x = Spec(batch=3).build()
    clean = xaikit.explain(net, x, name, layers="features.conv0", target=0)[name].maps["features.conv0"]
    x[1, 0, 2, 2] = torch.nan
    saliency = xaikit.explain(net, x, name, layers="features.conv0", target=0)[name].maps["features.conv0"]
    assert distance(saliency[[0, 2]], clean[[0, 2]]) <= EXACT
    assert saliency[1].isnan().any()


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("weighting", "increased", "weighting: expected one of increase, softmax, raw, got 'increased'"),
        ("masks", "none", "masks: expected one of upsample_first, normalize_first, got 'none'"),
        ("top_channels", 0, "top_channels: expected at least 1 or none, got 0"),
    ],
)
def test_scorecam_names_an_option_that_it_rejects(option: str, value: Any, expected: str) -> None:
    with pytest.raises(ValueError, match="^" + expected + "$"):
        xaikit.registry.Registry().find("method", "scorecam").cls(**{option: value})


def test_the_plan_is_told_what_a_sample_costs() -> None:
    registry = xaikit.registry.Registry()

    def further(use: str, **options: Any) -> int:
        return int(registry.find("method", use).cls(**options).further(64, 49))

    assert further("ablationcam") == 64
    assert further("reciprocam") == 49
    assert further("scorecam") == 65
    assert further("scorecam", top_channels=8) == 9
    assert further("scorecam", weighting="raw", top_channels=100) == 64
    assert further("smoothgradcampp", n=7) == 7
