"""Targets inside the model: a neuron or a channel of a layer, beside targets of the output, for every kind of method."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import xaikit
from helpers.nets import distance
from helpers.untouched import untouched
from xaikit.errors import ConfigError, Disconnected


class Deep(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.act = nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(inplace=True)
        self.second, self.late = nn.Conv2d(4, 5, 3), nn.ReLU(inplace=True)
        self.head = nn.Linear(5, 6)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        hidden = self.late(self.second(self.act(self.first(x))))
        return {"logits": self.head(hidden.mean((2, 3)))}


@pytest.fixture
def net() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Deep().double().eval()


X = torch.randn(2, 3, 7, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
NEURON = {"use": "neuron", "layer": "second", "unit": [2, 1, 3]}
CHANNEL = {"use": "channel", "layer": "second", "channel": 2}


def shortened(net: Any, score: Any) -> Any:
    """The net up to the layer, and a score of what it returns: the same question without any target inside a model."""

    class Short(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.act, self.second = net.first, net.act, net.second

        def forward(self, x: Tensor) -> Tensor:
            return score(self.second(self.act(self.first(x))))  # type: ignore[no-any-return]

    return Short()


METHODS = ["gradcam", "smoothgradcampp", "scorecam", "ablationcam", "reciprocam", "shapleycam", "featureig"]


@pytest.mark.parametrize(
    ("target", "score"),
    [
        (NEURON, lambda hidden: hidden[:, 2, 1, 3]),
        (CHANNEL, lambda hidden: hidden[:, 2].mean((1, 2))),
        ({**CHANNEL, "reduce": "max"}, lambda hidden: hidden[:, 2].amax((1, 2))),
    ],
)
@pytest.mark.parametrize("method", METHODS)
def test_it_is_the_net_cut_off_behind_that_layer(net: nn.Module, target: Any, score: Any, method: str) -> None:
    with untouched(net, X):
        explanation = xaikit.explain(net, X, method, layers="act", target=target)[method]
    expected = xaikit.explain(shortened(net, score), X, method, layers="act", target=lambda output: output)[method]
    assert torch.allclose(explanation.scores, expected.scores, rtol=1e-12, atol=0)
    assert distance(explanation.maps["act"], expected.maps["act"]) <= 1e-10
    assert expected.maps["act"].any()


def test_the_target_of_an_explanation_says_what_it_is(net: nn.Module) -> None:
    assert str(xaikit.explain(net, X, layers="act", target=NEURON)["gradcam"].target) == "unit [2, 1, 3] of second"
    assert str(xaikit.explain(net, X, layers="act", target=CHANNEL)["gradcam"].target) == "channel [2] of second"


def test_auto_goes_no_further_than_the_unit(net: nn.Module) -> None:
    (layer,) = xaikit.explain(net, X, target={"use": "channel", "layer": "second", "channel": 1})["gradcam"].maps
    assert layer in ("first+", "act", "second")


def test_a_layer_behind_the_unit_is_disconnected(net: nn.Module) -> None:
    with pytest.raises(Disconnected):
        xaikit.explain(net, X, layers="late", target={"use": "neuron", "layer": "first", "unit": [0, 1, 1]})


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ({**NEURON, "unit": [5, 0, 0]}, r"expected a unit inside \(5, 5, 4\), which second returns .* got \[5, 0, 0\]"),
        ({**NEURON, "unit": 3}, r"got \[3\]"),
        ({**CHANNEL, "channel": 9}, r"expected a channel in 0 \.\.\. 4, .* got 9"),
    ],
)
def test_what_the_layer_does_not_have_is_refused(net: nn.Module, target: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        xaikit.explain(net, X, layers="act", target=target)


def test_a_layer_that_does_not_exist_is_named(net: nn.Module) -> None:
    with pytest.raises(xaikit.LayerNotFound, match=r"'secnd'.*did you mean 'second'"):
        xaikit.explain(net, X, layers="act", target={**NEURON, "layer": "secnd"})


def test_auto_says_that_a_dead_unit_has_no_gradient(net: nn.Module) -> None:
    hidden = net.get_submodule("second")(net.get_submodule("act")(net.get_submodule("first")(X[:1]))).relu()
    dead = (hidden[0] == 0).nonzero()[0].tolist()
    with pytest.raises(xaikit.LayerNotFound, match="the gradient of the score is zero everywhere for the first sample"):
        xaikit.explain(net, X, target={"use": "neuron", "layer": "late", "unit": dead})
