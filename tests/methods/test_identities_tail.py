"""Theorems about what asks the tail: Shapley-CAM, feature IG, and LIFT-CAM."""

from __future__ import annotations

from itertools import combinations, pairwise
from math import factorial
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import xaikit
from helpers.nets import PROPERTY, Net, Spec, distance, specs

ROUNDING = 1e-12
COSTLY = settings(PROPERTY, max_examples=12)
LAYERS = ["features.conv0", "features"]
LINEAR_TAIL = ["shapleycam", "featureig", "liftcam"]
pieces = st.just("relu")


def maps(net: nn.Module, x: Tensor, methods: Any, target: Any, layer: str = "features") -> dict[str, Tensor]:
    """The raw maps of each method at one layer."""
    explanations = xaikit.explain(net, x, methods, layers=layer, target=target)
    return {label: explanation.maps[layer] for label, explanation in explanations.items()}


def total(saliency: Tensor) -> Tensor:
    return saliency.flatten(1).sum(1)


def gained(net: Net, x: Tensor, layer: str, targets: list[int]) -> Tensor:
    """What the scores are above those of a layer that returns zero."""
    handle = net.get_submodule(layer).register_forward_hook(lambda module, args, output: torch.zeros_like(output))
    least = net(x)
    handle.remove()
    return (net(x) - least).detach()[range(len(x)), targets]


@given(specs())
@PROPERTY
def test_below_a_linear_tail_shapleycam_is_gradcam_featureig_is_hirescam_and_liftcam_is_ablationcam(spec: Spec) -> None:
    net, x = spec.build()
    by_method = maps(net, x, [*LINEAR_TAIL, "gradcam", "hirescam", "ablationcam"], spec.targets)
    for one, other in (("shapleycam", "gradcam"), ("featureig", "hirescam"), ("liftcam", "ablationcam")):
        assert distance(by_method[one], by_method[other]) <= 1e-11, one


@given(specs(activation=pieces), st.sampled_from(LAYERS))
@PROPERTY
def test_where_a_logit_is_linear_in_pieces_shapleycam_is_gradcam_to_the_bit(spec: Spec, layer: str) -> None:
    net, x = spec.build()
    by_method = maps(net, x, ["shapleycam", "gradcam"], spec.targets, layer)
    assert torch.equal(by_method["shapleycam"], by_method["gradcam"])


def test_which_can_fail_a_score_that_bends() -> None:
    net, x = Spec(depth=3, width=5).build()
    by_method = maps(net, x, ["shapleycam", "gradcam"], lambda output: output[:, 1] + output.log_softmax(1)[:, 1])
    assert distance(by_method["shapleycam"], by_method["gradcam"]) > 1e-3


@given(specs(head=st.sampled_from(("gap", "conv"))))
@PROPERTY
def test_p7_below_global_pooling_liftcam_weighs_by_the_classifier_times_the_mean(spec: Spec) -> None:
    net, x = spec.build()
    activation = net.features(x).detach()
    classifier = next(value for name, value in net.head.named_parameters() if name.endswith("weight")).detach()
    weights = classifier.flatten(1)[spec.targets] * activation.flatten(2).mean(2)
    expected = torch.einsum("nc,nc...->n...", weights, activation)
    assert (maps(net, x, "liftcam", spec.targets)["liftcam"] - expected).abs().max() <= ROUNDING


def shapley(tail: Any, a: Tensor, c: int) -> Tensor:
    """The Shapley value of every channel, there or zero, by all coalitions: (C,)"""
    channels = range(len(a))

    def worth(present: tuple[int, ...]) -> Tensor:
        partial = torch.zeros_like(a)
        partial[list(present)] = a[list(present)]
        return tail(partial.unsqueeze(0))[0, c].detach()

    values = []
    for k in channels:
        others = [other for other in channels if other != k]
        value = torch.zeros((), dtype=a.dtype)
        for size in range(len(a)):
            share = factorial(size) * factorial(len(a) - size - 1) / factorial(len(a))
            for coalition in combinations(others, size):
                value += share * (worth((*coalition, k)) - worth(coalition))
        values.append(value)
    return torch.stack(values)


@given(specs(width=st.integers(1, 4)))
@COSTLY
def test_below_a_linear_tail_the_weights_of_liftcam_are_shapley_values(spec: Spec) -> None:
    net, x = spec.build()
    activation = net.features(x).detach()
    weights = torch.stack([shapley(net.head, a, c) for a, c in zip(activation, spec.targets, strict=True)])
    expected = torch.einsum("nc,nc...->n...", weights, activation)
    assert (maps(net, x, "liftcam", spec.targets)["liftcam"] - expected).abs().max() <= ROUNDING


def test_which_can_fail_behind_a_relu_they_are_not() -> None:
    net, x = Spec(depth=2, width=4).build()
    activation = net.features[:1](x).detach()
    weights = torch.stack([shapley(lambda a: net.head(net.features[1:](a)), a, 0) for a in activation])
    expected = torch.einsum("nc,nc...->n...", weights, activation)
    by_method = maps(net, x, ["liftcam", "gradcam"], 0, "features.conv0")
    assert distance(by_method["liftcam"], expected) > 0.01


@given(specs(activation=pieces, bias=st.just(False)), st.sampled_from(LAYERS))
@PROPERTY
def test_without_biases_a_multiplier_is_a_gradient_and_liftcam_weighs_by_gradient_times_activation(
    spec: Spec, layer: str
) -> None:
    """Then zero at the layer is zero at every ReLU behind it, where the quotient is the derivative."""
    net, x = spec.build()
    stop = 1 if layer == "features.conv0" else len(net.features)
    activation = net.features[:stop](x).detach().requires_grad_()
    score = net.head(net.features[stop:](activation))[range(spec.batch), spec.targets].sum()
    (gradient,) = torch.autograd.grad(score, activation)
    weights = (gradient * activation).flatten(2).sum(2)
    expected = torch.einsum("nc,nc...->n...", weights, activation).detach()
    assert distance(maps(net, x, "liftcam", spec.targets, layer)["liftcam"], expected) <= 1e-11


@given(specs(), st.sampled_from(LAYERS))
@PROPERTY
def test_p10_featureig_sums_to_what_the_score_gains_but_for_its_residual(spec: Spec, layer: str) -> None:
    net, x = spec.build()
    explanation = xaikit.explain(net, x, "featureig", layers=layer, target=spec.targets)["featureig"]
    missing = total(explanation.maps[layer]) - gained(net, x, layer, spec.targets)
    assert (explanation.numbers["residual"][layer] - missing).abs().max() <= ROUNDING
    if layer == "features":
        assert missing.abs().max() <= ROUNDING


def test_p10_the_residual_of_featureig_goes_down_with_the_steps() -> None:
    net, x = Spec(depth=3, activation="silu", width=5).build()
    methods = {str(steps): {"use": "featureig", "steps": steps, "quadrature": "midpoint"} for steps in (4, 16, 64, 256)}
    explanations = xaikit.explain(net, x, methods, layers="features.conv0", target=0)
    missing = [float(one.numbers["residual"]["features.conv0"].abs().max()) for one in explanations.values()]
    # of second order in a step, where the tail is smooth
    for coarse, fine in pairwise(missing):
        assert coarse / fine == pytest.approx(16, rel=0.2)
    scale = gained(net, x, "features.conv0", [0, 0]).abs().max()
    assert missing[-1] <= 1e-4 * scale


@given(specs(activation=pieces), st.sampled_from(LAYERS))
@PROPERTY
def test_p11_the_map_of_a_difference_is_the_difference_of_maps(spec: Spec, layer: str) -> None:
    net, x = spec.build()
    methods = {"shapleycam": {}, "featureig": {"steps": 4}, "liftcam": {}}
    first, second = maps(net, x, methods, 0, layer), maps(net, x, methods, 1, layer)
    contrast = maps(net, x, methods, lambda output: output[:, 0] - output[:, 1], layer)
    for label in methods:
        scale = max(first[label].abs().max().item(), second[label].abs().max().item())
        assert (contrast[label] - (first[label] - second[label])).abs().max() <= 1e-11 * scale, label


@given(specs(activation=pieces, bias=st.just(False)), st.sampled_from(LAYERS))
@PROPERTY
def test_p12_without_biases_seven_times_the_input_gives_a_map_that_many_times_as_large(spec: Spec, layer: str) -> None:
    """Weights that hold an activation themselves, as LIFT-CAM's, grow as well."""
    net, x = spec.build()
    times = {"shapleycam": 7, "featureig": 7, "liftcam": 49}
    once, sevenfold = maps(net, x, list(times), spec.targets, layer), maps(net, 7 * x, list(times), spec.targets, layer)
    for label, factor in times.items():
        assert distance(sevenfold[label], factor * once[label]) <= 1e-11, label


@given(specs(activation=pieces), st.sampled_from(LAYERS))
@PROPERTY
def test_p13_ten_times_the_score_is_ten_times_the_map(spec: Spec, layer: str) -> None:
    net, x = spec.build()
    once = maps(net, x, LINEAR_TAIL, lambda output: output[:, 0], layer)
    tenfold = maps(net, x, LINEAR_TAIL, lambda output: 10 * output[:, 0], layer)
    for label in LINEAR_TAIL:
        assert distance(tenfold[label], 10 * once[label]) <= 1e-11, label


@given(specs(activation=pieces), st.sampled_from(LAYERS))
@PROPERTY
def test_p14_a_batch_equals_its_samples_one_by_one(spec: Spec, layer: str) -> None:
    net, x = spec.build()
    methods = {"shapleycam": {}, "featureig": {"steps": 4}, "liftcam": {}}
    together = maps(net, x, methods, spec.targets, layer)
    for row in range(spec.batch):
        alone = maps(net, x[row : row + 1], methods, [spec.targets[row]], layer)
        for label in methods:
            assert distance(together[label][row : row + 1], alone[label]) <= 1e-11, label
