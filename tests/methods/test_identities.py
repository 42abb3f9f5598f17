"""Theorems between methods, and what sharing and batching must never change, over nets built on the fly."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

import xaikit
from helpers.nets import PROPERTY, Net, Spec, distance, evidence, of_class, specs

ROUNDING = 1e-12
# examples that explain many times over
COSTLY = settings(PROPERTY, max_examples=15)
METHODS: dict[str, dict[str, Any]] = {
    "gradcam": {},
    "gradcampp": {},
    "smoothgradcampp": {"n": 2},
    "xgradcam": {},
    "layercam": {},
    "hirescam": {},
    "elementcam": {},
    "eigencam": {},
    "eigengradcam": {"center": True},
    "ablationcam": {},
    "reciprocam": {},
    "scorecam": {"top_channels": 3},
}
LAYERS = ["features.conv0", "features"]
rectified = st.sampled_from(("relu", "relu6"))
pooled = st.sampled_from(("gap", "conv"))


def maps(net: Net, x: Tensor, methods: Any, target: Any, layer: str = "features", **rest: Any) -> dict[str, Tensor]:
    """The raw maps of each method at one layer."""
    explanations = xaikit.explain(net, x, methods, layers=layer, target=target, **rest)
    return {label: explanation.maps[layer] for label, explanation in explanations.items()}


def classifier(net: Net) -> Tensor:
    """Weight (classes, width) of a pooled head, be it linear or a 1x1 convolution."""
    weight = next(value for name, value in net.head.named_parameters() if name.endswith("weight"))
    return weight.detach().flatten(1)


def total(saliency: Tensor) -> Tensor:
    return saliency.flatten(1).sum(1)


@given(specs(head=pooled, activation=rectified))
@PROPERTY
def test_p1_below_global_pooling_cam_over_cells_is_gradcam_hirescam_and_xgradcam(spec: Spec) -> None:
    net, x = spec.build()
    activation = net.features(x).detach()
    cam = torch.einsum("nc,nc...->n...", classifier(net)[spec.targets], activation) / activation[0, 0].numel()
    for label, saliency in maps(net, x, ["gradcam", "hirescam", "xgradcam"], spec.targets).items():
        assert distance(saliency, cam) <= ROUNDING, label


@given(specs())
@PROPERTY
def test_p2_below_a_linear_tail_hirescam_sums_to_the_score_less_the_bias(spec: Spec) -> None:
    net, x = spec.build()
    bias = net.head(torch.zeros_like(net.features(x)))
    explanation = xaikit.explain(net, x, "hirescam", layers="features", target=spec.targets)["hirescam"]
    score = of_class(spec.targets)
    assert torch.equal(explanation.scores, score(net(x)).detach())
    assert (total(explanation.maps["features"]) - score(net(x) - bias)).abs().max() <= ROUNDING


@given(specs(), st.sampled_from(LAYERS))
@PROPERTY
def test_p3_xgradcam_and_hirescam_sum_to_gradient_times_activation_at_any_layer(spec: Spec, layer: str) -> None:
    net, x = spec.build()
    activation, gradient = evidence(net, x, layer, of_class(spec.targets))
    mass = activation.flatten(2).sum(2).abs() / activation.flatten(2).abs().sum(2).clamp_min(1e-300)
    for label, saliency in maps(net, x, ["xgradcam", "hirescam"], spec.targets, layer).items():
        # XGrad-CAM divides by sum A, so that what cancels there grows the rounding
        slack = ROUNDING / mass[mass > 0].amin().clamp_max(1).item() if (mass > 0).any() else ROUNDING
        assert (total(saliency) - total(gradient * activation)).abs().max() <= slack, label


@given(specs())
@PROPERTY
def test_p6_layercam_is_elementwise_relu_just_where_activations_are_not_negative(spec: Spec) -> None:
    """relu(g A) - relu(g) A is |g| relu(-A): nothing under ReLU, and exactly that under SiLU."""
    net, x = spec.build()
    activation, gradient = evidence(net, x, "features", of_class(spec.targets))
    # a net of one channel may happen to give nothing negative
    assume(spec.width > 1 or spec.activation != "silu" or bool(((activation < 0) & (gradient != 0)).any()))
    elementwise = (gradient * activation).relu().sum(1)
    surplus = (gradient.abs() * (-activation).relu()).sum(1)
    saliency = maps(net, x, "layercam", spec.targets)["layercam"]
    assert (elementwise - saliency - surplus).abs().max() <= ROUNDING
    assert bool(surplus.any()) == (spec.activation == "silu")


@given(specs(), st.sampled_from(LAYERS))
@PROPERTY
def test_p11_the_map_of_a_difference_is_the_difference_of_maps(spec: Spec, layer: str) -> None:
    net, x = spec.build()
    methods = ["gradcam", "hirescam"]
    first, second = maps(net, x, methods, 0, layer), maps(net, x, methods, 1, layer)
    contrast = maps(net, x, methods, lambda output: output[:, 0] - output[:, 1], layer)
    for label in methods:
        scale = max(first[label].abs().max().item(), second[label].abs().max().item())
        assert (contrast[label] - (first[label] - second[label])).abs().max() <= ROUNDING * scale


def test_p11_can_fail_layercam_is_not_linear_in_the_score() -> None:
    net, x = Spec().build()
    first, second = (maps(net, x, "layercam", one)["layercam"] for one in (0, 1))
    contrast = maps(net, x, "layercam", lambda output: output[:, 0] - output[:, 1])["layercam"]
    assert distance(contrast, first - second) > 0.1


@given(specs())
@PROPERTY
def test_p13_ten_times_the_score_is_ten_times_the_map(spec: Spec) -> None:
    net, x = spec.build()
    methods = ["gradcam", "xgradcam", "layercam", "hirescam"]
    once = maps(net, x, methods, lambda output: output[:, 0])
    tenfold = maps(net, x, methods, lambda output: 10 * output[:, 0])
    for label in methods:
        assert distance(tenfold[label], 10 * once[label]) <= ROUNDING, label


def test_p13_can_fail_grad_campp_is_not_scale_free() -> None:
    """alpha = 1 / (2 + g sum A) depends on the unit of the score, so its picture does too."""
    net, x = Spec(width=5, head="flatten").build()
    once = maps(net, x, "gradcampp", lambda output: output[:, 0])["gradcampp"]
    tenfold = maps(net, x, "gradcampp", lambda output: 10 * output[:, 0])["gradcampp"]
    assert distance(tenfold / tenfold.max(), once / once.max()) > 0.02


@given(specs(), st.sampled_from(LAYERS))
@PROPERTY
def test_p14_a_batch_equals_its_samples_one_by_one(spec: Spec, layer: str) -> None:
    """With a class of its own for every sample; its id, not its row, is what seeds its noise."""
    net, x = spec.build()
    ids = [f"photograph {row}" for row in range(spec.batch)]
    together = maps(net, x, METHODS, spec.targets, layer, ids=ids)
    for row in range(spec.batch):
        alone = maps(net, x[row : row + 1], METHODS, [spec.targets[row]], layer, ids=ids[row : row + 1])
        for label in METHODS:
            assert distance(together[label][row : row + 1], alone[label]) <= ROUNDING, label


@given(specs(batch=st.just(3)), st.permutations(range(3)))
@PROPERTY
def test_p14_a_permuted_batch_gives_permuted_maps(spec: Spec, order: list[int]) -> None:
    net, x = spec.build()
    ids = ["a", "b", "c"]
    layer = "features.conv0"
    straight = maps(net, x, METHODS, spec.targets, layer, ids=ids)
    shuffled = [spec.targets[row] for row in order]
    permuted = maps(net, x[order], METHODS, shuffled, layer, ids=[ids[row] for row in order])
    for label in METHODS:
        assert distance(permuted[label], straight[label][order]) <= ROUNDING, label


def test_p14_can_fail_another_id_draws_other_noise() -> None:
    net, x = Spec(batch=1).build()
    layer = "features.conv0"
    first, second = (maps(net, x, "smoothgradcampp", 0, layer, ids=[one])["smoothgradcampp"] for one in "ab")
    assert distance(first, second) > 1e-3


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@given(spec=specs())
@COSTLY
def test_methods_together_equal_themselves_alone_bit_for_bit(dtype: torch.dtype, spec: Spec) -> None:
    net, x = spec.build(dtype)
    together = xaikit.explain(net, x, METHODS, layers=LAYERS, target=spec.targets)
    for label, options in METHODS.items():
        alone = xaikit.explain(net, x, {label: options}, layers=LAYERS, target=spec.targets)[label]
        for layer in LAYERS:
            assert alone.maps[layer].dtype is dtype
            assert torch.equal(together[label].maps[layer], alone.maps[layer]), (label, layer)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@given(spec=specs())
@COSTLY
def test_layers_together_equal_themselves_alone_bit_for_bit(dtype: torch.dtype, spec: Spec) -> None:
    net, x = spec.build(dtype)
    together = xaikit.explain(net, x, METHODS, layers=LAYERS, target=spec.targets)
    for layer in LAYERS:
        for label, alone in maps(net, x, METHODS, spec.targets, layer).items():
            assert torch.equal(together[label].maps[layer], alone), (label, layer)


@given(specs(), st.sampled_from(LAYERS))
@COSTLY
def test_classes_together_equal_themselves_alone(spec: Spec, layer: str) -> None:
    net, x = spec.build()
    together = maps(net, x, METHODS, {"use": "classes", "of": [2, 0]}, layer)
    for column, index in enumerate((2, 0)):
        for label, alone in maps(net, x, METHODS, index, layer).items():
            assert distance(together[label][:, column], alone) <= ROUNDING, (label, index)
