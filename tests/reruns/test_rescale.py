"""The Rescale rule of single operations: activations however they are called, and max pooling, by loops."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from helpers.deeplift_nets import Step, Through, built, multipliers_at, pictures, without
from helpers.nets import PROPERTY
from xaikit.reruns.rescale import activation_multipliers, by_rule, pool_multipliers

EXACT = 1e-12

ACTIVATIONS: dict[str, Step] = {
    "relu6": nn.ReLU6(),
    "hardtanh in place": nn.Hardtanh(inplace=True),
    "silu in place": nn.SiLU(inplace=True),
    "gelu": nn.GELU(),
    "gelu by tanh": nn.GELU(approximate="tanh"),
    "sigmoid": nn.Sigmoid(),
    "sigmoid of a tensor, in place": lambda x: x.sigmoid_(),
    "tanh": functional.tanh,
    "hardswish": nn.Hardswish(inplace=True),
    "hardsigmoid": nn.Hardsigmoid(),
    "mish": nn.Mish(),
    "elu": nn.ELU(0.5),
    "selu": nn.SELU(),
    "celu": nn.CELU(),
    "softplus": nn.Softplus(2),
    "leaky": nn.LeakyReLU(0.2, inplace=True),
    "prelu": nn.PReLU(4),
    "log sigmoid": nn.LogSigmoid(),
    "softsign": nn.Softsign(),
    "tanhshrink": nn.Tanhshrink(),
    "softshrink": nn.Softshrink(0.1),
    "hardshrink": nn.Hardshrink(0.1),
    "threshold": nn.Threshold(0.1, 0.3),
    "clamp": lambda x: x.clamp(-0.1, 0.2),
    "clamp in place": lambda x: x.clamp_min_(0.1),
    "clamp by name": lambda x: torch.clamp(input=x, max=0.2),
    "absolute": lambda x: abs(x),
}
POOLS: dict[str, Step] = {
    "max pooling": nn.MaxPool2d(2),
    "overlapping": nn.MaxPool2d(3, stride=1, padding=1),
    "dilated": nn.MaxPool2d(2, stride=1, dilation=2),
    "of torch": lambda x: torch.max_pool2d(x, 2, 1),
    "along one axis": lambda x: functional.max_pool1d(x.flatten(2), 4).unsqueeze(3),
    "along three": lambda x: functional.max_pool3d(x.unsqueeze(1), 2).squeeze(1).repeat(1, 2, 1, 1),
    "adaptive": nn.AdaptiveMaxPool2d(1),
    "adaptive along one": lambda x: functional.adaptive_max_pool1d(x.flatten(2), 7).unsqueeze(3),
    "behind activations": nn.Sequential(nn.SiLU(), nn.MaxPool2d(2), nn.Conv2d(4, 4, 1), nn.Tanh()),
}


@pytest.mark.parametrize("step", [*ACTIVATIONS, *POOLS])
def test_contributions_sum_to_what_the_score_loses(step: str) -> None:
    net, x = built(lambda: Through({**ACTIVATIONS, **POOLS}[step])), pictures()
    multipliers, explanation = multipliers_at(net, x, "tap", {"use": "classes", "of": [0, 1, 2]})
    assert (explanation.maps["tap"].flatten(2).sum(2) - (net(x) - without(net, x, "tap"))).abs().max() <= EXACT
    assert multipliers.any()


@pytest.mark.parametrize("inference", [False, True])
def test_gradients_that_the_model_switches_off_change_nothing(inference: bool) -> None:
    class Off(Through):
        def forward(self, x: Tensor) -> Tensor:
            with torch.inference_mode() if inference else torch.no_grad():
                return super().forward(x)

    x, step = pictures(), POOLS["behind activations"]
    expected, _ = multipliers_at(built(lambda: Through(step)), x, "tap")
    assert torch.equal(multipliers_at(built(lambda: Off(step)), x, "tap")[0], expected)


def test_whole_numbers_and_what_the_layer_is_nothing_to_are_let_through() -> None:
    def step(x: Tensor) -> Tensor:
        places = torch.arange(9).clamp(max=x.shape[3] - 1)
        return x[..., places].relu() + torch.ones(1, dtype=x.dtype).sigmoid()

    net, x = built(lambda: Through(step)), pictures()
    _, explanation = multipliers_at(net, x, "tap")
    assert (explanation.maps["tap"].flatten(1).sum(1) - (net(x) - without(net, x, "tap"))[:, 0]).abs().max() <= EXACT


@pytest.mark.parametrize("name", ["sigmoid", "gelu", "hardswish", "relu6", "leaky", "softplus"])
@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(-1, 1), st.integers(0, 15)), min_size=1, max_size=9))
@PROPERTY
def test_the_multiplier_of_an_activation_is_its_difference_quotient(name: str, pairs: Any) -> None:
    """However near the two are, also on both sides of a kink: times their difference it is that of what it returns."""
    places, differences, powers = torch.tensor(pairs, dtype=torch.float64).unbind(1)
    reference = places + differences * 10.0**-powers
    step = ACTIVATIONS[name]

    def call(x: Tensor) -> Tensor:
        return step(x.clone())

    multipliers = activation_multipliers(call, places, reference)
    gained = call(places) - call(reference)
    assert (multipliers * (places - reference) - gained).abs().max() <= 1e-14
    # all of them rise by no more than this
    assert multipliers.abs().max() <= 1.6


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_where_the_two_hardly_differ_nothing_cancels(dtype: torch.dtype) -> None:
    eps = torch.finfo(dtype).eps
    x = torch.linspace(-3, 3, 50, dtype=dtype)
    for difference in (0.0, 4 * eps, eps**0.7, eps**0.4):
        multipliers = activation_multipliers(torch.tanh, x, x + difference)
        middle = 1 - torch.tanh(x.double() + difference / 2) ** 2
        assert (multipliers.double() - middle).abs().max() <= 30 * eps ** (2 / 3)


def test_gradients_of_several_scores_in_one_call_are_those_of_each() -> None:
    """As on an accelerator."""
    x, reference = pictures(), pictures().flip(2)
    entered = x.clone().requires_grad_()
    rescaled = by_rule(functional.silu, entered, reference, (), {})
    pooled = by_rule(functional.max_pool2d, rescaled, functional.silu(reference), (3, 1), {}).flatten(1)
    scores = pooled @ torch.randn(len(pooled[0]), 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    each = [torch.autograd.grad(column.sum(), entered, retain_graph=True)[0] for column in scores.T]
    chosen = torch.eye(2, dtype=torch.float64).unsqueeze(1).expand(-1, len(x), -1)
    (together,) = torch.autograd.grad(scores, entered, chosen, is_grads_batched=True)
    assert bool(together.any())
    assert torch.allclose(together, torch.stack(each), rtol=0, atol=1e-12)


def pooled_by_hand(x: Tensor, reference: Tensor, size: int, stride: int) -> tuple[Tensor, list[tuple[int, int, float]]]:
    """Maxima of one channel, and of each window the place of the larger one of both passes, and its share of the difference."""
    rows, columns = x.shape
    out, shares = [], []
    for top in range(0, rows - size + 1, stride):
        for left in range(0, columns - size + 1, stride):
            places = [(i, j) for i in range(top, top + size) for j in range(left, left + size)]
            here, there = max(places, key=lambda at: float(x[at])), max(places, key=lambda at: float(reference[at]))
            chosen = here if x[here] >= reference[there] else there
            gained = float(x[here] - reference[there])
            shares.append((*chosen, gained / float(x[chosen] - reference[chosen])))
            out.append(float(x[here]))
    return torch.tensor(out, dtype=x.dtype), shares


@pytest.mark.parametrize(("size", "stride"), [(2, 2), (3, 1)])
def test_of_max_pooling_by_hand(size: int, stride: int) -> None:
    x, reference = pictures(1), pictures(2)[1:].flip(2)
    out, index, multiplier = pool_multipliers(
        x, reference, lambda t: functional.max_pool2d(t, size, stride, return_indices=True), 2
    )
    assert bool(((multiplier >= 0) & (multiplier <= 1)).all())
    for channel in range(2):
        expected, shares = pooled_by_hand(x[0, channel], reference[0, channel], size, stride)
        assert torch.equal(out[0, channel].flatten(), expected)
        assert index[0, channel].tolist() == [i * x.shape[3] + j for i, j, _ in shares]
        assert multiplier[0, channel].flatten().tolist() == pytest.approx([share for *_, share in shares], abs=1e-15)


def test_of_equal_pictures_the_multiplier_of_a_maximum_is_its_derivative() -> None:
    x = pictures(1)
    _, index, multiplier = pool_multipliers(x, x, lambda t: functional.max_pool2d(t, 2, return_indices=True), 2)
    assert bool((multiplier == 1).all())
    assert torch.equal(index, functional.max_pool2d(x, 2, return_indices=True)[1].flatten(2))
