"""Guided backpropagation and DeconvNet restated slowly, on ReLUs of any kind; and that all else is the model's own."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import xaikit
from helpers.requests import REGISTRY, batch, explain_all, request_for, target
from helpers.untouched import untouched
from xaikit.evidence.taps import whole
from xaikit.passes.tally import Tally

RAW = {"rectify": "none", "normalize": "none", "resize": "none", "fuse": "none"}
SIGNED = {"channels": "sum", "absolute": False}
CLASS = 1
RULES = ["guidedbackprop", "deconvnet"]


class Net(nn.Module):
    """Two dense layers with ReLUs behind them, one of them a function in place, and a skip around the second."""

    def __init__(self, way: str = "module") -> None:
        super().__init__()
        self.way = way
        self.first, self.second, self.head = nn.Linear(12, 8), nn.Linear(8, 8), nn.Linear(8, 3)
        self.act = nn.ReLU(inplace=way == "in place")

    def rectified(self, x: Tensor) -> Tensor:
        if self.way == "function":
            return functional.relu(x)
        others = {
            "relu6": functional.relu6,
            "clamp": lambda one: one.clamp(min=0),
            "bounded": lambda one: one.clamp(0, 6),
        }
        others["threshold"] = nn.Threshold(0, 0)
        if self.way in others:  # numbers here are below 6
            return others[self.way](x)
        return x.relu_() if self.way == "method" else self.act(x)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.rectified(self.first(x.flatten(1)))
        return self.head(self.rectified(self.second(hidden)) + hidden)


def net(way: str = "module") -> Net:
    torch.manual_seed(0)
    return Net(way).double().eval()


def images() -> Tensor:
    return torch.randn(2, 3, 2, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def map_of(use: str, model: nn.Module, **more: Any) -> Tensor:
    x = images()
    with untouched(model, x):
        explanation = xaikit.explain(model, x, {"m": {"use": use, **SIGNED}}, finish=RAW, **{"target": CLASS, **more})[
            "m"
        ]
    return explanation.maps["input"]


def slow(use: str, model: Net, image: Tensor) -> Tensor:
    """Layer by layer, by hand."""

    def back(gradient: Tensor, entered: Tensor) -> Tensor:
        through = gradient.clamp_min(0)
        return through * (entered > 0) if use == "guidedbackprop" else through

    first = model.first(image.flatten())
    hidden = first.clamp_min(0)
    second = model.second(hidden)
    at_sum = model.head.weight[CLASS]
    at_hidden = at_sum + back(at_sum, second) @ model.second.weight
    return (back(at_hidden, first) @ model.first.weight).reshape(image.shape).sum(0)


@pytest.mark.parametrize("way", ["module", "in place", "function", "method", "relu6", "clamp", "bounded", "threshold"])
@pytest.mark.parametrize("use", RULES)
def test_they_are_what_the_papers_say_whatever_calls_the_relu(use: str, way: str) -> None:
    model = net(way)
    expected = torch.stack([slow(use, net(), image) for image in images()]).detach()
    assert torch.allclose(map_of(use, model), expected, atol=1e-12)
    assert not torch.allclose(expected, map_of("gradient", model), atol=1e-3)


@pytest.mark.parametrize("use", RULES)
def test_several_classes_have_what_each_has_alone(use: str) -> None:
    both = map_of(use, net(), target={"use": "classes", "of": [0, CLASS]})
    assert torch.allclose(both[:, 1], map_of(use, net()), atol=1e-12)
    assert not torch.allclose(both[:, 0], both[:, 1], atol=1e-3)


def test_what_only_scales_positive_numbers_has_the_ordinary_gradient() -> None:
    """Positive weights and inputs, no ReLU that stops anything: nothing is there for a rule to change."""
    model = net()
    for value in model.parameters():
        value.data.abs_()
    x = images().abs()
    for use in RULES:
        made = xaikit.explain(model, x, {use: SIGNED, "gradient": SIGNED}, target=CLASS, finish=RAW)
        assert torch.allclose(made[use].maps["input"], made["gradient"].maps["input"], atol=1e-12)


def test_a_relu_of_the_target_is_no_relu_of_the_model() -> None:
    def rectified(output: Tensor) -> Tensor:
        return (10 - (output[:, CLASS] + 3).relu()).relu()

    # the score falls as the class rises: what is positive of that gradient is what is negative of the other
    model = net()
    made = map_of("guidedbackprop", model, target=rectified)
    model.head.weight.data.neg_()
    assert torch.allclose(made, map_of("guidedbackprop", model), atol=1e-12)


@pytest.mark.parametrize("use", RULES)
def test_a_model_without_relus_is_refused(use: str) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 6), nn.GELU(), nn.Linear(6, 3)).double()
    with pytest.raises(
        xaikit.ConfigError, match=r"backward: expected ReLUs between the layer and the score, .* got none"
    ):
        map_of(use, model)


def test_both_and_the_ordinary_gradient_share_one_forward() -> None:
    names, tally = ["gradient", *RULES], Tally()
    taps = [whole(REGISTRY.find("method", name).cls.needs) for name in names]
    wanted = target("logit", index=CLASS)
    requests = [request_for(name, [tap], wanted, **SIGNED) for name, tap in zip(names, taps, strict=True) if tap]
    explanations = explain_all(net(), batch(images()), requests, tally)
    assert (tally.forwards, tally.gradient_calls) == (1, 3)
    for name in RULES:
        assert torch.allclose(explanations[name].maps["input"], map_of(name, net()), atol=1e-12)
