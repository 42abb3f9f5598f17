"""DeepLIFT's multipliers in whole networks, whatever their forward does, and what the two passes leave behind."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import _get_current_function_mode
from torch.utils.checkpoint import checkpoint

import xaikit
from helpers.deeplift_nets import Through, built, multipliers_at, pictures, without
from helpers.nets import distance, random_model
from helpers.untouched import untouched
from helpers.views import made_view
from xaikit.errors import ConfigError, UndeclaredNeed
from xaikit.needs import Needs

EXACT = 1e-12
RAW = {"rectify": "none", "normalize": "none", "resize": "none", "fuse": "none"}
RESNET = ("layer2", "layer3.0.conv1", "layer4.1.conv2")


@pytest.mark.parametrize("layer", RESNET)
def test_in_a_resnet_contributions_sum_to_what_the_score_loses(layer: str) -> None:
    """Residuals, ReLUs in place on shared tensors, and one ReLU module that runs twice."""
    net = random_model("resnet18").double()
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with untouched(net, x):
        _, explanation = multipliers_at(net, x, layer, [5, 900])
    lost = (net(x) - without(net, x, layer))[[0, 1], [5, 900]]
    assert (explanation.maps[layer].flatten(1).sum(1) - lost).abs().max() <= 1e-9 * lost.abs().max()
    assert lost.abs().min() > 0


def test_alexnet_is_explained_before_and_behind_a_max_pooling() -> None:
    net = random_model("alexnet")
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    for layer in ("features.10", "features"):
        _, explanation = multipliers_at(net, x, layer)
        lost = (net(x) - without(net, x, layer))[:, 0]
        assert (explanation.maps[layer].flatten(1).sum(1) - lost).abs().max() <= 1e-4 * lost.abs().max()


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2"])
def test_whole_networks_are_explained_at_their_input(name: str) -> None:
    """Max pooling whose windows overlap, and ReLU6."""
    net = random_model(name).double()
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with untouched(net, x):
        (saliency,) = xaikit.explain(net, x, "deeplift", target=5, finish=RAW)["deeplift"].maps.values()
        gained = (net(x) - net(torch.zeros_like(x)))[0, 5].detach()
    assert gained != 0
    assert (saliency.sum() - gained).abs() <= 1e-9 * gained.abs()


def test_at_the_input_a_network_with_gates_is_refused_by_name() -> None:
    net, x = random_model("efficientnet_b0"), torch.rand(1, 3, 32, 32)
    expected = r"^layer input: expected .* got Mul of two things that depend on it; .* or take integratedgradients\n"
    with untouched(net, x), pytest.raises(ConfigError, match=expected):
        xaikit.explain(net, x, "deeplift", target=5)


class Frozen(Through):
    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            return super().forward(x)


class Inferring(Through):
    def forward(self, x: Tensor) -> Tensor:
        with torch.inference_mode():
            return super().forward(x)


class Blink(Through):
    """Switches grad off behind the tap, for a while."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.tap(x)
        with torch.no_grad():
            x = self.mix(x).relu()
        scores: Tensor = self.head(x.flatten(2).mean(2))
        return scores


@pytest.mark.parametrize("kind", [Frozen, Inferring])
def test_a_model_that_switches_gradients_off_has_the_same_multipliers(kind: type[Through]) -> None:
    x = pictures()
    expected, _ = multipliers_at(built(lambda: Through(functional.relu)), x, "tap")
    net = built(lambda: kind(functional.relu)).requires_grad_(False)
    assert torch.equal(multipliers_at(net, x, "tap")[0], expected)


def test_a_tail_that_cannot_be_differentiated_is_never_explained_wrongly() -> None:
    net = built(lambda: Blink(functional.relu))
    with pytest.raises((ConfigError, xaikit.Disconnected)):
        multipliers_at(net, pictures(), "tap")


def test_a_checkpointed_tail_has_the_same_multipliers_or_is_refused() -> None:
    """A convolution that is computed again would be followed by the ReLU as the model has it."""
    x = pictures()
    expected, _ = multipliers_at(built(lambda: Through(functional.relu)), x, "tap")
    net = built(lambda: Through(lambda y: checkpoint(functional.relu, y, use_reentrant=False)))
    assert torch.equal(multipliers_at(net, x, "tap")[0], expected)
    inner = nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU(), nn.Conv2d(4, 4, 1)).double()
    net = built(lambda: Through(lambda y: checkpoint(inner, y, use_reentrant=False)))
    with pytest.raises(ConfigError, match="layer tap: behind it the model is checkpointed: switch that off"):
        multipliers_at(net, x, "tap")


def test_tokens_that_are_no_place_stay_what_they_are() -> None:
    class Tokens(nn.Module):
        num_prefix_tokens = 1

        def __init__(self) -> None:
            super().__init__()
            self.embed, self.block, self.head = nn.Conv2d(2, 4, 1), nn.Linear(4, 4), nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            tokens = self.embed(x).flatten(2).mT
            tokens = self.block(torch.cat([tokens.mean(1, keepdim=True), tokens], 1))
            scores: Tensor = self.head((tokens[:, :1] + tokens[:, 1:]).relu().mean(1))
            return scores

    net, x = built(Tokens), torch.randn(2, 2, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    multipliers, explanation = multipliers_at(net, x, "block")
    assert multipliers.shape == (2, 1, 4, 4, 4)

    def emptied(module: nn.Module, args: Any, output: Tensor) -> Tensor:
        return torch.cat([output[:, :1], 0 * output[:, 1:]], 1)

    full = net(x)[:, 0]
    net.block.register_forward_hook(emptied)
    assert (explanation.maps["block"].flatten(1).sum(1) - (full - net(x)[:, 0])).abs().max() <= EXACT


def test_a_tap_on_what_is_consumed_is_behind_the_relu_in_place() -> None:
    net, x = (
        built(lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(48, 3))),
        pictures(),
    )
    assert torch.equal(multipliers_at(net, x, "0+")[0], multipliers_at(net, x, "1")[0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_in_a_lower_precision_they_are_nearly_the_same(dtype: torch.dtype) -> None:
    net, x = built(lambda: Through(functional.relu)), pictures()
    expected, _ = multipliers_at(net, x, "tap")
    multipliers, _ = multipliers_at(net.to(dtype), x.to(dtype), "tap")
    assert multipliers.dtype is dtype
    assert distance(multipliers.double(), expected) <= 0.05


def test_a_sample_that_is_not_finite_is_no_reason_to_refuse_and_spoils_no_other() -> None:
    net, x = built(lambda: Through(functional.relu)), pictures()
    expected, _ = multipliers_at(net, x, "tap")
    x[1, 0, 2, 2] = torch.nan
    multipliers, explanation = multipliers_at(net, x, "tap")
    assert torch.equal(multipliers[[0, 2]], expected[[0, 2]])
    assert explanation.maps["tap"][1].isnan().any()


def test_multipliers_that_were_not_declared_are_not_given() -> None:
    view = made_view(torch.zeros(1, 1, 2, 2), needs=Needs(gradients=1))
    with pytest.raises(
        UndeclaredNeed, match=r"^view\.multipliers was read but not declared: needs = Needs\(replays=True\)$"
    ):
        view.multipliers()


def test_it_costs_two_passes_and_leaves_no_mode_behind() -> None:
    net, x = built(lambda: Through(functional.relu)), pictures()
    passes: list[int] = []
    net.register_forward_pre_hook(lambda module, args: passes.append(len(args[0])))
    multipliers_at(net, x, "tap")
    assert passes == [3, 1, 3, 3]  # that of one photograph says how the tap is laid out
    net.step = nn.Softmax(1)
    with pytest.raises(ConfigError):
        multipliers_at(net, x, "tap")
    assert _get_current_function_mode() is None
