"""DeepLIFT's multipliers: against hand-written ones, for every way to say ReLU, and refused where they are undefined."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

import xaikit
from helpers.deeplift_nets import Step, Through, built, multipliers_at, pictures, without
from helpers.nets import PROPERTY, distance
from helpers.slow_formulas import Array
from xaikit.errors import ConfigError
from xaikit.reruns.rescale import relu_multipliers

EXACT = 1e-12

# --- the rule


def by_hand(a: Array, weights: list[Array], biases: list[Array], c: int) -> Array:
    """Multipliers of a chain of linear layers with ReLUs between, from the score back: Rescale, by loops, against zero."""
    entered, reference = [], []
    now, then = a, np.zeros_like(a)
    for weight, bias in zip(weights, biases, strict=True):
        entered.append(weight @ now + bias)
        reference.append(weight @ then + bias)
        now, then = np.maximum(entered[-1], 0), np.maximum(reference[-1], 0)
    multiplier = np.array([float(place == c) for place in range(len(biases[-1]))])
    for layer in range(len(weights) - 1, -1, -1):
        if layer < len(weights) - 1:
            for i in range(len(multiplier)):
                difference = entered[layer][i] - reference[layer][i]
                if difference:
                    gained = max(entered[layer][i], 0.0) - max(reference[layer][i], 0.0)
                    multiplier[i] *= gained / difference
                else:
                    multiplier[i] *= float(entered[layer][i] > 0)
        multiplier = weights[layer].T @ multiplier
    return multiplier


@given(st.integers(0, 9999), st.integers(1, 3))
@PROPERTY
def test_multipliers_are_those_of_a_chain_of_linear_layers_and_relus_by_hand(seed: int, samples: int) -> None:
    def make() -> nn.Module:
        tail = [nn.Linear(60, 7), nn.ReLU(), nn.Linear(7, 5), nn.ReLU(), nn.Linear(5, 3)]
        return nn.Sequential(nn.Conv2d(2, 2, 3, padding=1), nn.Flatten(), *tail)

    net, x = built(make, seed), pictures(samples)
    multipliers, _ = multipliers_at(net, x, "0", {"use": "classes", "of": [2, 0]})
    layers = [module for module in net if isinstance(module, nn.Linear)]
    weights = [layer.weight.detach().numpy() for layer in layers]
    biases = [layer.bias.detach().numpy() for layer in layers]
    activations = net[0](x).detach().flatten(1).numpy()
    for row in range(samples):
        for column, c in enumerate((2, 0)):
            expected = torch.from_numpy(by_hand(activations[row], weights, biases, c))
            assert (multipliers[row, column].flatten() - expected).abs().max() <= EXACT


@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9)), min_size=1, max_size=9))
@PROPERTY
def test_the_multiplier_of_a_relu_is_its_difference_quotient_and_between_zero_and_one(pairs: Any) -> None:
    entered, reference = torch.tensor(pairs, dtype=torch.float64).unbind(1)
    multipliers = relu_multipliers(entered, reference)
    assert ((multipliers >= 0) & (multipliers <= 1)).all()
    gained = entered.clamp_min(0) - reference.clamp_min(0)
    assert (multipliers * (entered - reference) - gained).abs().max() <= 1e-14


def test_the_multiplier_of_values_that_hardly_differ_is_the_derivative() -> None:
    least = 1 + torch.finfo(torch.float32).eps
    entered, reference = torch.tensor([1.0, -1.0, 0.0, -0.0]), torch.tensor([least, -least, 0.0, 0.0])
    assert relu_multipliers(entered, reference).tolist() == [1, 0, 0, 0]


# --- every way to say it

WAYS: dict[str, Step] = {
    "module": nn.ReLU(),
    "module in place": nn.ReLU(inplace=True),
    "functional": functional.relu,
    "functional in place": lambda x: functional.relu(x, inplace=True),
    "functional by position": lambda x: functional.relu(x, True),
    "functional by name": lambda x: functional.relu(input=x),
    "functional with an underscore": functional.relu_,
    "torch": torch.relu,
    "torch by name": lambda x: torch.relu(input=x),
    "torch with an underscore": torch.relu_,
    "method": lambda x: x.relu(),
    "method with an underscore": lambda x: x.relu_(),
}


def in_place_and_dropped(x: Tensor) -> Tensor:
    """What it returns is not used."""
    functional.relu(x, inplace=True)
    return x


@pytest.mark.parametrize("way", WAYS)
def test_a_relu_is_a_relu_however_it_is_called(way: str) -> None:
    net, x = built(lambda: Through(functional.relu)), pictures()
    expected, _ = multipliers_at(net, x, "tap")
    net.step = WAYS[way]
    multipliers, explanation = multipliers_at(net, x, "tap")
    assert torch.equal(multipliers, expected)
    assert (explanation.maps["tap"].flatten(1).sum(1) - (net(x) - without(net, x, "tap"))[:, 0]).abs().max() <= EXACT


def test_a_relu_in_place_whose_result_is_dropped_is_one_too() -> None:
    net, x = built(lambda: Through(functional.relu)), pictures()
    expected, _ = multipliers_at(net, x, "tap")
    net.step = in_place_and_dropped
    assert torch.equal(multipliers_at(net, x, "tap")[0], expected)


def test_the_rule_is_no_gradient() -> None:
    """With biases, what enters a ReLU changes its sign on the way from zero."""
    net, x = built(lambda: Through(functional.relu)), pictures()
    multipliers, explanation = multipliers_at(net, x, "tap")
    gradients = xaikit.explain(net, x, "hirescam", layers="tap", target=0)["hirescam"]
    assert distance(explanation.maps["tap"], gradients.maps["tap"]) > 0.05
    assert multipliers.shape == (3, 1, 4, 6, 5)


# --- what is linear

PARTS: dict[str, Callable[[], nn.Module]] = {
    "batch norm": lambda: nn.BatchNorm2d(4),
    "average pooling": lambda: nn.AvgPool2d(2),
    "adaptive pooling": lambda: nn.AdaptiveAvgPool2d(2),
    "dropout": lambda: nn.Dropout(),
    "padding": lambda: nn.ReflectionPad2d(1),
    "upsampling": lambda: nn.Upsample(scale_factor=2, mode="bilinear"),
    "transposed": lambda: nn.ConvTranspose2d(4, 4, 2),
    "grouped": lambda: nn.Conv2d(4, 4, 3, groups=2, padding_mode="circular", padding=1),
}
STEPS: dict[str, Step] = {
    "residual": lambda x: x.relu() + 2 * x - 1,
    "cut and joined": lambda x: torch.cat([x[:, 2:], *x[:, :2].split(1, 1)], 1).relu(),
    "turned": lambda x: x.permute(0, 2, 3, 1).contiguous().flip(1).transpose(1, 3).relu() / 3,
    "stacked": lambda x: torch.stack([x, x.relu()]).sum(0),
    "a product with what the tap is nothing to": lambda x: torch.einsum("nchw,cd->ndhw", x, torch.eye(4).to(x)).relu(),
}


@pytest.mark.parametrize("part", PARTS)
def test_modules_that_are_linear_in_evaluation_are_gone_through(part: str) -> None:
    net, x = built(lambda: Through(nn.Sequential(PARTS[part](), nn.ReLU(), nn.Conv2d(4, 4, 1), nn.ReLU()))), pictures()
    multipliers, explanation = multipliers_at(net, x, "tap", {"use": "classes", "of": [0, 1, 2]})
    assert (explanation.maps["tap"].flatten(2).sum(2) - (net(x) - without(net, x, "tap"))).abs().max() <= EXACT
    assert multipliers.any()


@pytest.mark.parametrize("step", STEPS)
def test_operations_that_are_linear_are_gone_through(step: str) -> None:
    net, x = built(lambda: Through(STEPS[step])), pictures()
    _, explanation = multipliers_at(net, x, "tap", {"use": "classes", "of": [0, 1, 2]})
    assert (explanation.maps["tap"].flatten(2).sum(2) - (net(x) - without(net, x, "tap"))).abs().max() <= EXACT


# --- what is not

REFUSED: dict[str, tuple[Step, str]] = {
    "clamp": (lambda x: x.clamp(min=torch.zeros_like(x)), "Clamp"),
    "maximum": (lambda x: x.amax((2, 3), keepdim=True), "Amax"),
    "max pooling with places": (lambda x: functional.max_pool2d(x, 2, return_indices=True)[0], "MaxPool2DWithIndices"),
    "gated": (lambda x: functional.glu(torch.cat([x, x], 1), 1), "Glu"),
    "norm": (nn.GroupNorm(1, 4), "NativeGroupNorm"),
    "statistics of the batch": (nn.InstanceNorm2d(4), "NativeBatchNorm"),
    "softmax": (lambda x: x.softmax(1), "Softmax"),
    "gate": (lambda x: x * x.mean((2, 3), keepdim=True), "Mul of two things that depend on it"),
    "square": (lambda x: x * x, "Mul of two things that depend on it"),
    "attention": (lambda x: (x.flatten(2) @ x.flatten(2).mT) @ x.flatten(2), "Bmm of two things that depend on it"),
    "quotient": (lambda x: 1 / (x.abs() + 1), "Reciprocal"),
    "divided by": (lambda x: torch.ones_like(x) / (3 + x), "Div of two things that depend on it"),
    "hidden relu": (lambda x: torch.ops.aten.relu(x), "Relu"),
}


@pytest.mark.parametrize("step", REFUSED)
def test_anything_else_is_refused_by_name(step: str) -> None:
    function, name = REFUSED[step]
    net = built(lambda: Through(function))
    expected = r"^layer tap: expected linear operations, activations and max pooling between it and the score.*, got "
    with pytest.raises(
        ConfigError, match=f"{expected}({name}); name a layer behind it, explain a logit, or take featureig"
    ):
        multipliers_at(net, pictures(), "tap")


def test_a_target_that_bends_is_refused() -> None:
    net = built(lambda: Through(functional.relu))
    with pytest.raises(ConfigError, match="got LogSoftmax"):
        multipliers_at(net, pictures(), "tap", lambda output: output.log_softmax(1)[:, 0])


@pytest.mark.parametrize(
    "step",
    [lambda x: x + x.detach().square(), lambda x: x * (x > 0).to(x).detach(), lambda x: x + x.sign().detach()],
    ids=["detached", "mask", "sign"],
)
def test_what_leaves_no_trace_in_the_graph_is_refused_since_the_sum_is_wrong(step: Step) -> None:
    net = built(lambda: Through(step))
    with pytest.raises(ConfigError, match="the contributions do not sum to what the score loses"):
        multipliers_at(net, pictures(), "tap")


def test_a_forward_that_branches_on_the_layer_is_refused() -> None:
    net = built(lambda: Through(lambda x: x.relu().relu() if x.std() > 0.1 else x.relu()))
    net.mix.bias.data.zero_()
    with pytest.raises(ConfigError, match="the same activations behind the layer"):
        multipliers_at(net, pictures(), "tap")


def test_what_lies_before_or_beside_the_layer_may_be_anything() -> None:
    class Beside(Through):
        def forward(self, x: Tensor) -> Tensor:
            x = functional.silu(x).relu()
            aside = functional.silu(self.mix(torch.cat([x, x], 1))).relu()
            scores: Tensor = self.head((self.mix(self.tap(x)).relu() * aside.sigmoid() + aside).flatten(2).mean(2))
            return scores

    net, x = built(lambda: Beside(functional.relu)), pictures()
    _, explanation = multipliers_at(net, x, "tap", 1)
    assert (explanation.maps["tap"].flatten(1).sum(1) - (net(x) - without(net, x, "tap"))[:, 1]).abs().max() <= EXACT
