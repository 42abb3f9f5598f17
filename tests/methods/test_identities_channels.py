"""Theorems about channels and places: what weighs them under a pooled head, and what must not matter."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import xaikit
from helpers.nets import PROPERTY, Net, Spec, distance, specs

ROUNDING = 1e-12
LINEAR_HEADS = st.sampled_from(("gap", "flatten"))
POOLED = st.sampled_from(("gap", "conv"))
BLIND_TO_COPIES = ["gradcam", "hirescam", "layercam", "xgradcam", "elementcam", "ablationcam", "reciprocam"]
COUNTING_CHANNELS = ["eigencam", "scorecam"]
OF_A_CLASS = [*BLIND_TO_COPIES, "gradcampp", "smoothgradcampp", "eigengradcam", "scorecam"]


def maps(net: nn.Module, x: Tensor, methods: Any, target: Any, layer: str = "features") -> dict[str, Tensor]:
    """The raw maps of each method at one layer."""
    explanations = xaikit.explain(net, x, methods, layers=layer, target=target)
    return {label: explanation.maps[layer] for label, explanation in explanations.items()}


def classifier(net: Net) -> Tensor:
    """Weight (classes, width) of a pooled head, be it linear or a 1x1 convolution."""
    return next(value for name, value in net.head.named_parameters() if name.endswith("weight")).detach().flatten(1)


@given(specs(head=POOLED))
@PROPERTY
def test_p7_below_global_pooling_ablation_weighs_by_the_classifier_times_the_mean(spec: Spec) -> None:
    net, x = spec.build()
    activation = net.features(x).detach()
    weights = classifier(net)[spec.targets] * activation.flatten(2).mean(2)
    expected = torch.einsum("nc,nc...->n...", weights, activation)
    saliency = maps(net, x, "ablationcam", spec.targets)["ablationcam"]
    assert (saliency - expected).abs().max() <= ROUNDING


@given(specs(head=POOLED))
@PROPERTY
def test_p8_below_global_pooling_recipro_is_cam_over_cells_plus_the_bias(spec: Spec) -> None:
    net, x = spec.build()
    activation = net.features(x).detach()
    bias = net.head(torch.zeros_like(activation)).detach()[range(spec.batch), spec.targets]
    cam = torch.einsum("nc,nc...->n...", classifier(net)[spec.targets], activation) / activation[0, 0].numel()
    saliency = maps(net, x, "reciprocam", spec.targets)["reciprocam"]
    assert (saliency - cam - bias.reshape(-1, *(1,) * spec.dims)).abs().max() <= ROUNDING


def test_p7_and_p8_can_fail_another_class_weighs_otherwise() -> None:
    net, x = Spec(width=5).build()
    methods = ["ablationcam", "reciprocam"]
    first, second = maps(net, x, methods, 0), maps(net, x, methods, 1)
    for label in methods:
        assert distance(first[label], second[label]) > 0.1


def test_p16_eigencam_is_the_same_for_every_class() -> None:
    net, x = Spec(width=5, head="flatten").build()
    plural = maps(net, x, "eigencam", {"use": "classes", "of": [0, 1, 2]})["eigencam"]
    for column, target in enumerate((0, 1, 2)):
        alone = maps(net, x, "eigencam", target)["eigencam"]
        assert torch.equal(plural[:, column], plural[:, 0])
        assert torch.equal(alone, plural[:, 0])
        assert bool(alone.any())


@pytest.mark.parametrize("method", OF_A_CLASS)
def test_p16_every_other_method_sees_the_class(method: str) -> None:
    net, x = Spec(width=5, head="flatten", bias=False).build()
    for layer in ("features.conv0", "features"):
        first, second = (maps(net, x, method, target, layer)[method] for target in (0, 1))
        assert distance(first, second) > 1e-3, layer


def with_channels(net: Net, spec: Spec, origin: list[int], share: list[float]) -> Net:
    """A net whose channel i of the last map is that of ``origin[i]``, the head's weights on it times ``share[i]``."""
    other = Net(Spec(dims=spec.dims, depth=1, width=len(origin), kernel=spec.kernel, head=spec.head)).eval().double()
    shares = torch.tensor(share, dtype=torch.float64)
    with torch.no_grad():
        for name in ("weight", "bias"):
            other.get_parameter(f"features.conv0.{name}").copy_(net.get_parameter(f"features.conv0.{name}")[origin])
        mine, theirs = net.head[-1], other.head[-1]
        columns = mine.weight.unflatten(1, (spec.width, -1))[:, origin] * shares[:, None]
        theirs.weight.copy_(columns.flatten(1))
        theirs.bias.copy_(mine.bias)
    return other


def one_layer(**narrowed: Any) -> st.SearchStrategy[Spec]:
    fixed = {"depth": st.just(1), "bias": st.just(True), "stride": st.just(1), "width": st.integers(2, 5)}
    return specs(**fixed, head=LINEAR_HEADS, activation=st.just("relu"), **narrowed)


@given(one_layer())
@PROPERTY
def test_p17_channels_without_a_weight_copies_that_share_one_and_their_order_do_not_matter(spec: Spec) -> None:
    net, x = spec.build()
    channels = list(range(spec.width))
    alike = {
        # the last channel again, with no say
        "dummy": with_channels(net, spec, [*channels, spec.width - 1], [1.0] * spec.width + [0.0]),
        "reversed": with_channels(net, spec, channels[::-1], [1.0] * spec.width),
        "halved": with_channels(net, spec, [*channels, 0], [0.5] + [1.0] * (spec.width - 1) + [0.5]),
    }
    expected = maps(net, x, BLIND_TO_COPIES, spec.targets)
    for change, other in alike.items():
        by_method = maps(other, x, BLIND_TO_COPIES, spec.targets)
        for label in BLIND_TO_COPIES:
            scale = expected[label].abs().max().clamp_min(1e-3)
            assert (by_method[label] - expected[label]).abs().max() <= ROUNDING * scale, (change, label)


def test_p17_can_fail_eigencam_and_scorecam_count_channels() -> None:
    """They look at activations, or share out a softmax; only the order of channels is nothing to them."""
    spec = Spec(depth=1)
    net, x = spec.build()
    expected = maps(net, x, COUNTING_CHANNELS, 0)
    for origin, share in (([0, 1, 2, 3, 3], [1.0, 1, 1, 1, 0]), ([0, 1, 2, 3, 0], [0.5, 1, 1, 1, 0.5])):
        by_method = maps(with_channels(net, spec, origin, share), x, COUNTING_CHANNELS, 0)
        for label in COUNTING_CHANNELS:
            assert (
                distance(by_method[label] / by_method[label].max(), expected[label] / expected[label].max()) > 0.05
            ), label
    by_method = maps(with_channels(net, spec, [3, 2, 1, 0], [1.0] * 4), x, COUNTING_CHANNELS, 0)
    for label in COUNTING_CHANNELS:
        assert distance(by_method[label], expected[label]) <= ROUNDING


def half_read(dims: int = 2) -> tuple[Net, Tensor, Tensor]:
    """A net whose head reads the first half of the last axis only; true where it does not."""
    spec = Spec(dims=dims, head="flatten", bias=True, batch=3)
    net, x = spec.build()
    outside = torch.zeros(spec.grid, dtype=torch.bool)
    outside[..., spec.grid[-1] // 2 :] = True
    with torch.no_grad():
        net.head[-1].weight.unflatten(1, (spec.width, -1))[..., outside.flatten()] = 0.0
    return net, x, outside


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("method", ["hirescam", "layercam", "elementcam", "eigengradcam"])
def test_p18_elementwise_methods_give_nothing_to_places_that_are_not_connected(method: str, dims: int) -> None:
    net, x, outside = half_read(dims)
    saliency = maps(net, x, method, 0)[method]
    assert not saliency[:, outside].any()
    assert saliency[:, ~outside].any()


@pytest.mark.parametrize("method", ["gradcam", "ablationcam"])
def test_p18_can_fail_methods_that_weigh_whole_channels_leak(method: str) -> None:
    net, x, outside = half_read()
    saliency = maps(net, x, method, 0)[method].relu()
    assert saliency[:, outside].sum() / saliency.sum() > 0.2


def test_p18_recipro_gives_the_bias_to_places_that_are_not_connected() -> None:
    net, x, outside = half_read()
    saliency = maps(net, x, "reciprocam", 0)["reciprocam"]
    bias = net.head[-1].bias[0].detach()
    assert torch.equal(saliency[:, outside], bias.expand_as(saliency[:, outside]))
    assert distance(saliency[:, ~outside], bias.expand_as(saliency[:, ~outside])) > 0.01
