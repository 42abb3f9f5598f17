"""The methods that ask what lies behind the layer, restated slowly: loops, float64, no xaikit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

import xaikit
from helpers.nets import PROPERTY, Net, Spec, distance, evidence, specs
from helpers.requests import batch, explain_all, request_for, target
from helpers.slow_formulas import Array, weighted
from xaikit.evidence.taps import Tap
from xaikit.passes.tally import Tally
from xaikit.registry import Registry

EXACT = 1e-10
LAYERS = ["features.conv0", "features"]
COSTLY = settings(PROPERTY, max_examples=12)
Score = Callable[[Tensor], Tensor]


def rest(c: int) -> Score:
    """The logit plus its log-probability: a score that bends behind every head (Cai 2025)."""
    return lambda output: output[:, c] + output.log_softmax(1)[:, c]


def logit(c: int) -> Score:
    return lambda output: output[:, c]


def tail_of(net: Net, layer: str, score: Score) -> Callable[[Tensor], Tensor]:
    """From one sample's activations (C, *S) to its score, differentiable."""
    names = list(dict(net.features.named_children()))
    stop = names.index(layer.removeprefix("features.")) + 1 if "." in layer else len(names)
    return lambda activation: score(net.head(net.features[stop:](activation.unsqueeze(0))))[0]


def activations(net: Net, x: Tensor, layer: str) -> Tensor:
    names = list(dict(net.features.named_children()))
    stop = names.index(layer.removeprefix("features.")) + 1 if "." in layer else len(names)
    return net.features[:stop](x).detach()


def gradient(tail: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    at = at.clone().requires_grad_()
    return torch.autograd.grad(tail(at), at)[0]


def shapleycam(tail: Callable[[Tensor], Tensor], a: Tensor) -> Array:
    """w_k = mean of (G - 1/2 H A)_k with the whole Hessian written out; L = sum_k w_k A_k."""
    hessian = torch.autograd.functional.hessian(tail, a).reshape(a.numel(), a.numel())
    product = (hessian @ a.flatten()).reshape(a.shape)
    evidence = (gradient(tail, a) - product / 2).numpy()
    return weighted([float(evidence[k].mean()) for k in range(len(a))], a.numpy())


def featureig(tail: Callable[[Tensor], Tensor], a: Tensor, points: list[tuple[float, float]]) -> tuple[Array, float]:
    """L = sum_k A_k sum_s w_s G_k(s A); and sum L - (t(A) - t(0))."""
    saliency = np.zeros(a.shape[1:])
    for place, share in points:
        product = (gradient(tail, place * a) * a).numpy()
        for k in range(len(a)):
            saliency += share * product[k]
    gained = tail(a) - tail(torch.zeros_like(a))
    return saliency, float(saliency.sum() - gained.detach())


def midpoints(steps: int) -> list[tuple[float, float]]:
    return [((step + 0.5) / steps, 1 / steps) for step in range(steps)]


def legendre(steps: int) -> list[tuple[float, float]]:
    places, shares = np.polynomial.legendre.leggauss(steps)
    return [((place + 1) / 2, share / 2) for place, share in zip(places, shares, strict=True)]


POINTS = {"midpoint": midpoints, "gauss": legendre}


@given(spec=specs(width=st.integers(1, 3)))
@COSTLY
def test_shapleycam_is_its_formula_with_the_whole_hessian(spec: Spec) -> None:
    net, x = spec.build()
    # in a net of one channel all ReLUs may happen to be shut
    assume(spec.width > 1 or all(bool(evidence(net, x, layer, logit(0))[1].any()) for layer in LAYERS))
    bent = 0.0
    for score in (rest(1), logit(0)):
        explanations = xaikit.explain(net, x, ["shapleycam", "gradcam"], layers=LAYERS, target=score)
        for layer in LAYERS:
            tail = tail_of(net, layer, score)
            expected = np.stack([shapleycam(tail, a) for a in activations(net, x, layer)])
            maps = explanations["shapleycam"].maps[layer]
            assert distance(maps, torch.from_numpy(expected)) <= EXACT
            bent = max(bent, float((maps - explanations["gradcam"].maps[layer]).abs().max()))
    assert bent > 0


@pytest.mark.parametrize("quadrature", POINTS)
@given(spec=specs(), steps=st.integers(1, 6))
@PROPERTY
def test_featureig_is_its_formula_and_says_what_is_missing(quadrature: str, spec: Spec, steps: int) -> None:
    net, x = spec.build()
    methods = {"ig": {"use": "featureig", "steps": steps, "quadrature": quadrature}}
    explanation = xaikit.explain(net, x, methods, layers=LAYERS, target=rest(1))["ig"]
    for layer in LAYERS:
        tail = tail_of(net, layer, rest(1))
        expected = [featureig(tail, a, POINTS[quadrature](steps)) for a in activations(net, x, layer)]
        assert (
            distance(explanation.maps[layer], torch.from_numpy(np.stack([saliency for saliency, _ in expected])))
            <= EXACT
        )
        missing = torch.tensor([residual for _, residual in expected], dtype=torch.float64)
        assert (explanation.numbers["residual"][layer] - missing).abs().max() <= 1e-12
        assert (explanation.numbers["residual"][layer] - missing).shape == (spec.batch,)


def test_gauss_needs_fewer_steps_on_a_smooth_tail() -> None:
    net, x = Spec(activation="silu", depth=3).build()
    methods = {use: {"use": "featureig", "steps": 8, "quadrature": use} for use in POINTS}
    explanations = xaikit.explain(net, x, methods, layers="features.conv0", target=0)
    missing = {use: one.numbers["residual"]["features.conv0"].abs().max() for use, one in explanations.items()}
    assert missing["gauss"] < 1e-3 * missing["midpoint"]


def test_a_residual_is_kept_for_every_class_and_layer_and_remarked_on_where_it_is_large() -> None:
    net, x = Spec(depth=3).build()
    methods = {"one": {"use": "featureig", "steps": 1}, "many": {"use": "featureig", "steps": 256}}
    explanations = xaikit.explain(net, x, methods, layers=LAYERS, target={"use": "classes", "of": [2, 0]})
    for label, explanation in explanations.items():
        for layer in LAYERS:
            residual = explanation.numbers["residual"][layer]
            assert residual.shape == (2, 2)
            alone = xaikit.explain(net, x, {label: methods[label]}, layers=layer, target=0)[label]
            assert (residual[:, 1] - alone.numbers["residual"][layer]).abs().max() <= 1e-12
    assert {remark.layer for remark in explanations["one"].warnings} == {"features.conv0"}
    assert {remark.reason for remark in explanations["one"].warnings} == {
        "more than 1 % short of complete: take more steps"
    }
    assert explanations["many"].warnings == ()


def test_requests_of_one_answer_get_their_own_numbers() -> None:
    """Two labels of one method with a target each share one call of it."""
    net, x = Spec(depth=2).build()
    taps = [Tap(layer) for layer in LAYERS]
    requests = [request_for("featureig", taps, target("logit", index=index), f"class {index}") for index in (2, 0)]
    tally = Tally()
    explanations = explain_all(net, batch(x), requests, tally)
    # 32 points, five in a pass, and the start
    assert tally.forwards == 1 + 8 * len(taps)
    for index in (2, 0):
        alone = xaikit.explain(net, x, "featureig", layers=LAYERS, target=index)["featureig"]
        for layer in LAYERS:
            mine = explanations[f"class {index}"].numbers["residual"][layer]
            assert (mine - alone.numbers["residual"][layer]).abs().max() <= 1e-12
    assert xaikit.explain(net, x, "gradcam", layers=LAYERS, target=0)["gradcam"].numbers == {}


@pytest.mark.parametrize(
    ("use", "options", "expected"),
    [
        ("featureig", {"steps": 0}, "steps: expected at least 1, got 0"),
        ("featureig", {"quadrature": "left"}, "quadrature: expected one of gauss, midpoint, got 'left'"),
    ],
)
def test_an_option_that_is_rejected_is_named(use: str, options: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValueError, match="^" + expected + "$"):
        Registry().find("method", use).cls(**options)


def test_the_plan_is_told_what_a_sample_costs() -> None:
    def further(use: str, **options: Any) -> int:
        return int(Registry().find("method", use).cls(**options).further(64, 49))

    assert further("shapleycam") == 1
    assert further("featureig", steps=7) == 8
    assert further("liftcam") == 2
