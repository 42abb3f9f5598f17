"""LRP does not depend on how numbers lie in memory, on who wants a gradient, or on how a layer is called."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import xaikit
from xaikit import ConfigError

RAW = {"rectify": "none", "normalize": "none", "resize": "none", "fuse": "none"}
GAMMA = {"use": "lrp", "composite": "gamma"}


class Mixing(nn.Module):
    """A dense layer over channels or over places of what a convolution gives, the numbers lying one way or another."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way = way
        self.conv = nn.Conv2d(3, 4, 3)
        self.mix = nn.Linear(4, 6)
        self.head = nn.Linear(6, 3)

    def forward(self, picture: Tensor) -> Tensor:
        tokens = torch.relu(self.conv(picture)).flatten(2).transpose(1, 2)
        if self.way == "contiguous":
            tokens = tokens.contiguous()
        mixed = self.mix(input=tokens) if self.way == "keyword" else self.mix(tokens)
        logits: Tensor = self.head(torch.relu(mixed).mean(1))
        return logits


def map_of(way: str, frozen: bool = False) -> Tensor:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = Mixing(way).double().requires_grad_(not frozen)
    picture = torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return xaikit.explain(net, picture, {"m": GAMMA}, layers="input", target=1, finish=RAW)["m"].maps["input"]


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("way", ["transposed", "contiguous"])
def test_a_dense_layer_has_its_rule_whichever_way_it_is_computed(way: str, frozen: bool) -> None:
    torch.testing.assert_close(map_of(way, frozen), map_of("contiguous"), rtol=0, atol=1e-12)


def test_a_dense_layer_that_is_given_its_input_by_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="module mix with an argument by name"):
        map_of("keyword")


def test_without_an_epsilon_what_is_zero_stays_a_number() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = nn.Sequential(
            nn.Conv2d(3, 4, 3, bias=False),
            nn.ReLU(),
            nn.Conv2d(4, 3, 3, bias=False),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
    picture = torch.randn(1, 3, 12, 12, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    picture[..., :6, :] = 0
    methods = {"lrp": {"use": "lrp", "composite": "epsilon", "epsilon": 0}, "inputxgradient": {}}
    made = xaikit.explain(net.double(), picture, methods, layers="input", target=1, finish=RAW)
    torch.testing.assert_close(made["lrp"].maps["input"], made["inputxgradient"].maps["input"], rtol=0, atol=1e-12)


class Power(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.power = nn.Parameter(torch.tensor([1.0, 2, 3, 2]).reshape(-1, 1, 1))

    def forward(self, picture: Tensor) -> Tensor:
        features = self.conv(picture).exp()
        logits: Tensor = (features * features.pow(self.power)).mean((2, 3))
        return logits


@pytest.mark.parametrize(
    ("net", "what"),
    [
        (
            nn.Sequential(nn.Conv2d(3, 4, 3), nn.ELU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
            "Elu in place",
        ),
        (Power(), "got Pow in"),
    ],
    ids=["in place", "learnable power"],
)
def test_what_there_is_no_rule_for_is_named(net: nn.Module, what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        xaikit.explain(net, torch.rand(1, 3, 8, 8), "libragrad", layers="input")
