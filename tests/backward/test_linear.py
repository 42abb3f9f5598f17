"""Which linear operations have a rule, where a subclass computes them in a forward of its own, and what is around the first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from helpers.rules import ruled
from xaikit import Backward, ConfigError, LinearRule

GAMMA = Backward(product="half", dense=LinearRule("gamma"), convolution=LinearRule("gamma"))


class Own(nn.Linear):
    """A dense layer with a forward of its own."""

    def __init__(self, compute: Callable[[Own, Tensor], Tensor], bias: bool = True) -> None:
        super().__init__(6, 6, bias)
        self.compute = compute
        self.down, self.up = nn.Parameter(torch.randn(2, 6)), nn.Parameter(torch.randn(6, 2))

    def forward(self, x: Tensor) -> Tensor:
        return self.compute(self, x)


class OwnConvolution(nn.Conv2d):
    """The same of a convolution."""

    def __init__(self, compute: Callable[[OwnConvolution, Tensor], Tensor]) -> None:
        super().__init__(3, 4, 3)
        self.compute = compute

    def forward(self, x: Tensor) -> Tensor:
        return self.compute(self, x)


def seeded(build: Callable[[], nn.Module], frozen: bool = False) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build().double().requires_grad_(not frozen)


def values(*shape: int) -> Tensor:
    return torch.randn(2, *shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def by_rules(table: Backward, model: nn.Module, x: Tensor) -> Tensor:
    leaf = x.clone().requires_grad_()
    net = nn.Sequential(model)  # whose parts have names
    _, (gradient,) = ruled(table, net, leaf, [leaf], lambda output: output.flatten(1).square().sum(1, keepdim=True))
    assert gradient is not None
    return gradient


def linear(layer: Own, x: Tensor) -> Tensor:
    return functional.linear(x, layer.weight, layer.bias)


class Plain(nn.Module):
    """A layer of torch's with another's parameters, and what is computed around it by no module."""

    def __init__(self, own: Any, around: Callable[[Any, nn.Module, Tensor], Tensor]) -> None:
        super().__init__()
        self.layer: nn.Module = nn.Linear(6, 6) if isinstance(own, nn.Linear) else nn.Conv2d(3, 4, 3)
        self.layer.double().load_state_dict({"weight": own.weight, "bias": own.bias})
        self.own, self.around = [own], around  # in a list: no module of this one

    def forward(self, x: Tensor) -> Tensor:
        return self.around(self.own[0], self.layer, x)


DENSE: dict[str, tuple[Callable[[Own, Tensor], Tensor], Callable[[Any, nn.Module, Tensor], Tensor]]] = {
    "torch's, written out": (linear, lambda own, layer, x: layer(x)),
    "a low rank beside it": (
        lambda own, x: linear(own, x) + x @ own.down.mT @ own.up.mT,
        lambda own, layer, x: layer(x) + x @ own.down.mT @ own.up.mT,
    ),
    "a factor behind it": (lambda own, x: linear(own, x) * 3, lambda own, layer, x: layer(x) * 3),
    "a weight by a factor": (
        lambda own, x: functional.linear(x, own.weight * 2, own.bias),
        lambda own, layer, x: functional.linear(x, own.weight * 2, own.bias),
    ),
    "a bias by a factor": (
        lambda own, x: functional.linear(x, own.weight, own.bias * 0.1),
        lambda own, layer, x: functional.linear(x, own.weight, own.bias * 0.1),
    ),
    "an input by a factor": (
        lambda own, x: functional.linear(x * 3 - 0.1, own.weight, own.bias),
        lambda own, layer, x: functional.linear(x * 3 - 0.1, own.weight, own.bias),
    ),
}


@pytest.mark.parametrize("shape", ["rows", "tokens", "transposed"])
@pytest.mark.parametrize("name", DENSE)
def test_a_dense_layer_of_its_own_forward_has_the_rule_where_it_is_torchs_and_else_that_of_no_module(
    name: str, shape: str
) -> None:
    compute, around = DENSE[name]
    own = seeded(lambda: Own(compute))
    x = {"rows": values(6), "tokens": values(5, 6), "transposed": values(6, 5).mT}[shape]
    torch.testing.assert_close(by_rules(GAMMA, own, x), by_rules(GAMMA, Plain(own, around), x), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("bias", [True, False])
def test_whether_weights_take_a_gradient_changes_nothing(bias: bool) -> None:
    frozen, free = (seeded(lambda: Own(linear, bias), frozen) for frozen in (True, False))
    torch.testing.assert_close(by_rules(GAMMA, frozen, values(6)), by_rules(GAMMA, free, values(6)))
    assert not torch.allclose(by_rules(GAMMA, free, values(6)), by_rules(Backward(), free, values(6)))


def convolved(layer: OwnConvolution, x: Tensor, weight: Tensor, factor: float = 1) -> Tensor:
    bias = layer.bias
    assert bias is not None
    return functional.conv2d(x, weight, bias if factor == 1 else bias * factor)


CONVOLUTIONS: dict[str, tuple[Callable[[OwnConvolution, Tensor], Tensor], Callable[[Any, Any, Tensor], Tensor]]] = {
    "padded": (
        lambda own, x: convolved(own, functional.pad(x, (1, 2, 0, 1)), own.weight),
        lambda own, layer, x: layer(functional.pad(x, (1, 2, 0, 1))),
    ),
    "of a standardised weight": (
        lambda own, x: convolved(own, x, own.weight - own.weight.mean((1, 2, 3), keepdim=True)),
        lambda own, layer, x: standardised(layer)(x),
    ),
    "no bias": (
        lambda own, x: functional.conv2d(x, own.weight),
        lambda own, layer, x: unbiased(layer)(x),
    ),
    "an activation behind it": (
        lambda own, x: convolved(own, x, own.weight).relu(),
        lambda own, layer, x: layer(x).relu(),
    ),
    "a bias by a factor": (
        lambda own, x: convolved(own, x, own.weight, 0.1),
        lambda own, layer, x: functional.conv2d(x, own.weight, own.bias * 0.1),
    ),
}


def standardised(layer: nn.Conv2d) -> nn.Module:
    layer.weight.data -= layer.weight.data.mean((1, 2, 3), keepdim=True)
    return layer


def unbiased(layer: nn.Conv2d) -> nn.Module:
    layer.bias = None
    return layer


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_a_convolution_of_its_own_forward_has_the_rule_with_any_weight(name: str) -> None:
    compute, around = CONVOLUTIONS[name]
    own, x = seeded(lambda: OwnConvolution(compute)), values(3, 7, 7)
    torch.testing.assert_close(by_rules(GAMMA, own, x), by_rules(GAMMA, Plain(own, around), x), rtol=1e-9, atol=1e-12)


def test_a_first_layer_that_is_not_torchs_is_refused_by_name() -> None:
    table = Backward(product="half", first=LinearRule("flat"))
    with pytest.raises(ConfigError, match=r"given the model's input, .*, got Addmm in module 0, Own; take"):
        by_rules(table, seeded(lambda: Own(DENSE["a bias by a factor"][0])), values(6))


PADS: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "two in a row": (
        lambda x: functional.pad(functional.pad(x, (0, 2)), (0, 0, 1, 1)),
        lambda x: functional.pad(x, (0, 2, 1, 1)),
    ),
    "one that is cut off": (
        lambda x: functional.pad(functional.pad(x, (2, 2, 2, 2)), (-1, 0, -1, -1)),
        lambda x: functional.pad(x, (1, 2, 1, 1)),
    ),
    "a picture that is cut off": (
        lambda x: functional.pad(x, (-1, -1, -1, -1)),
        lambda x: x[:, :, 1:-1, 1:-1].contiguous(),
    ),
    "turned": (lambda x: functional.pad(x, (1, 0, 2, 1)).mT, lambda x: functional.pad(x.mT, (2, 1, 1, 0))),
}


class Padded(nn.Module):
    """Something in front of a first layer."""

    def __init__(self, first: nn.Module, before: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.first, self.before = first, before

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.first(self.before(x))
        return output


FIRST = [LinearRule("flat"), LinearRule("box", low=-3, high=3), LinearRule("wsquare")]


@pytest.mark.parametrize("rule", FIRST, ids=str)
@pytest.mark.parametrize("name", PADS)
def test_what_is_around_the_picture_is_no_pixel_however_it_came_there(name: str, rule: LinearRule) -> None:
    table = Backward(product="half", first=rule)
    first = seeded(lambda: nn.Conv2d(3, 4, 3, stride=2))
    before, plain = PADS[name]
    x = values(3, 8, 8)
    found = by_rules(table, Padded(first, before), x)
    if name == "a picture that is cut off":
        expected = functional.pad(by_rules(table, first, plain(x)), (1, 1, 1, 1))
    else:
        expected = by_rules(table, Padded(first, plain), x)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("rule", FIRST, ids=str)
def test_a_padded_picture_may_be_unrolled_before_a_dense_layer(rule: LinearRule) -> None:
    table = Backward(product="half", first=rule)
    layer = seeded(lambda: nn.Linear(3 * 5 * 4, 4))
    cropped = seeded(lambda: nn.Linear(3 * 4 * 2, 4))
    with torch.no_grad():
        cropped.weight.copy_(layer.weight.unflatten(1, (3, 5, 4))[:, :, 1:, 1:3].flatten(1))  # type: ignore[operator, union-attr]
        cropped.bias.copy_(layer.bias)  # type: ignore[operator, arg-type]
    x = values(3, 4, 2)
    found = by_rules(table, Padded(layer, lambda x: functional.pad(x, (1, 1, 1, 0)).flatten(1)), x)
    torch.testing.assert_close(
        found, by_rules(table, Padded(cropped, lambda x: x.flatten(1)), x), rtol=1e-9, atol=1e-12
    )
