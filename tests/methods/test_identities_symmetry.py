"""Theorems about networks without a bias, units, and pictures in a mirror."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import xaikit
from helpers.nets import CHANNELS, CLASSES, PROPERTY, Net, Spec, distance, specs

ROUNDING = 1e-12
# maps that are a first-degree function of the activations, or of the score
PROPORTIONAL = [
    "gradcam",
    "xgradcam",
    "layercam",
    "hirescam",
    "elementcam",
    "eigengradcam",
    "ablationcam",
    "reciprocam",
]
MIRRORED = [*PROPORTIONAL, "gradcampp", "eigencam", "scorecam"]
LAYERS = ["features.conv0", "features"]
LAYER = st.sampled_from(LAYERS)


def maps(net: nn.Module, x: Tensor, methods: Any, target: Any, layer: str = "features") -> dict[str, Tensor]:
    """The raw maps of each method at one layer."""
    explanations = xaikit.explain(net, x, methods, layers=layer, target=target)
    return {label: explanation.maps[layer] for label, explanation in explanations.items()}


def picture(saliency: Tensor) -> Tensor:
    """Divided by its largest magnitude; nothing stays nothing."""
    peak = saliency.flatten(1).abs().amax(1).reshape(-1, *(1,) * (saliency.dim() - 1))
    return saliency / peak.where(peak > 0, 1)


def slack(label: str) -> float:
    """A principal component is as well defined as its singular value is apart from the next."""
    return 1e-7 if label.startswith("eigen") else 1e-10


def pooling_net(bias: bool, seed: int) -> tuple[nn.Sequential, Tensor]:
    """Convolutions, ReLU and maximum pooling, of which the last map is read place by place."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = nn.Sequential(
            nn.Conv2d(CHANNELS, 6, 3, padding=1, bias=bias),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 5, 3, padding=1, bias=bias),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(5 * 4 * 4, CLASSES, bias=bias),
        )
        return net.double().eval(), torch.randn(2, CHANNELS, 8, 8, dtype=torch.float64)


@pytest.mark.parametrize("seed", range(5))
def test_p4_without_a_bias_gradient_times_activation_sums_to_the_score_at_every_layer(seed: int) -> None:
    net, x = pooling_net(bias=False, seed=seed)
    explanations = xaikit.explain(net, x, ["hirescam", "xgradcam"], layers=["0", "1", "2", "3", "4"], target=[0, 2])
    for label, explanation in explanations.items():
        for layer, saliency in explanation.maps.items():
            difference = saliency.flatten(1).sum(1) - explanation.scores
            assert difference.abs().max() <= 1e-10, (label, layer)


def test_p4_can_fail_what_a_bias_adds_behind_the_layer_is_missing() -> None:
    net, x = pooling_net(bias=True, seed=0)
    explanation = xaikit.explain(net, x, "hirescam", layers=["0", "1", "2", "3", "4"], target=[0, 2])["hirescam"]
    for layer, saliency in explanation.maps.items():
        assert (saliency.flatten(1).sum(1) - explanation.scores).abs().min() > 1e-3, layer


def unbiased(**narrowed: Any) -> st.SearchStrategy[Spec]:
    return specs(bias=st.just(False), activation=st.just("relu"), **narrowed)


@given(unbiased(), LAYER)
@PROPERTY
def test_p12_without_a_bias_seven_times_the_input_is_seven_times_the_map(spec: Spec, layer: str) -> None:
    net, x = spec.build()
    methods = [*PROPORTIONAL, "eigencam"]
    once, sevenfold = (maps(net, scale * x, methods, spec.targets, layer) for scale in (1, 7))
    for label in methods:
        # what a channel is worth and the channel itself, both
        grown = 49 if label == "ablationcam" else 7
        assert distance(sevenfold[label], grown * once[label]) <= slack(label), label


def test_p12_can_fail_grad_campp_changes_its_picture() -> None:
    """alpha = 1 / (2 + g sum A): seven times the activations are another alpha."""
    net, x = Spec(width=5, head="flatten", bias=False).build()
    once, sevenfold = (maps(net, scale * x, "gradcampp", 0)["gradcampp"] for scale in (1, 7))
    assert distance(picture(sevenfold), picture(once)) > 0.02


def test_p12_can_fail_a_bias_does_not_grow_with_the_input() -> None:
    net, x = Spec(width=5, head="flatten").build()
    once, sevenfold = (maps(net, scale * x, PROPORTIONAL, 0) for scale in (1, 7))
    for label in PROPORTIONAL:
        grown = 49 if label == "ablationcam" else 7
        assert distance(sevenfold[label], grown * once[label]) > 1e-3, label


@given(specs(), LAYER)
@PROPERTY
def test_p13_ten_times_the_score_is_the_same_picture(spec: Spec, layer: str) -> None:
    net, x = spec.build()
    once, tenfold = (maps(net, x, PROPORTIONAL, scaled(unit), layer) for unit in (1, 10))
    for label in PROPORTIONAL:
        assert distance(picture(tenfold[label]), picture(once[label])) <= slack(label), label


@pytest.mark.parametrize("method", ["gradcampp", "scorecam"])
def test_p13_can_fail_grad_campp_and_scorecam_have_a_unit_of_the_score(method: str) -> None:
    """A softmax of scores ten times as large is sharper, and alpha = 1 / (2 + g sum A) has a 2 in it."""
    net, x = Spec(width=5, head="flatten").build()
    once, tenfold = (maps(net, x, method, scaled(unit))[method] for unit in (1, 10))
    assert distance(picture(tenfold), picture(once)) > 0.02


def scaled(unit: float) -> Any:
    return lambda output: unit * output[:, 0]


def symmetrised(net: Net) -> Net:
    """Every kernel the mean of itself and its mirror image along the last axis."""
    with torch.no_grad():
        for name, weight in net.features.named_parameters():
            if name.endswith("weight"):
                weight.copy_((weight + weight.flip(-1)) / 2)
    return net


def mirrored(net: Net, x: Tensor, layer: str) -> dict[str, tuple[Tensor, Tensor]]:
    """By method: the map of the mirrored input, and the mirrored map."""
    straight, turned = (maps(net, one, MIRRORED, 0, layer) for one in (x, x.flip(-1)))
    return {label: (turned[label], straight[label].flip(-1)) for label in MIRRORED}


@given(specs(stride=st.just(1), kernel=st.just(3), head=st.sampled_from(("gap", "conv"))), LAYER)
@PROPERTY
def test_p15_in_a_network_that_is_its_own_mirror_image_maps_turn_with_the_picture(spec: Spec, layer: str) -> None:
    net, x = spec.build()
    for label, (saliency, expected) in mirrored(symmetrised(net), x, layer).items():
        assert distance(saliency, expected) <= slack(label), label


def test_p15_can_fail_a_network_that_tells_left_from_right() -> None:
    net, x = Spec(width=5).build()
    for layer in LAYERS:
        for label, (saliency, expected) in mirrored(net, x, layer).items():
            assert distance(saliency, expected) > 1e-2, (layer, label)


def test_p15_finished_maps_turn_with_the_picture() -> None:
    """Resizing to the input aligns the centres of cells, so that it commutes with the mirror."""
    net, x = Spec(stride=2, kernel=3).build()
    net, x = symmetrised(net), torch.cat([x, x[..., -1:]], -1)
    straight, turned = (
        xaikit.explain(net, one, "gradcam", layers="features", target=0)["gradcam"].map for one in (x, x.flip(-1))
    )
    assert straight is not None
    assert turned is not None
    assert straight.shape == (2, 7, 7)
    assert straight.any()
    assert distance(turned, straight.flip(-1)) <= ROUNDING
