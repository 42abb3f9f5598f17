"""Each rule against its formula, restated by what autograd makes of a forward in which constants are detached."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from helpers.rules import balance, ruled
from xaikit import Backward, ConfigError

HALF = Backward(product="half")
SPLIT = Backward(attention="split", product="half")
Compute = Callable[..., Tensor]


class Function(nn.Module):
    """A function as a network, whose score is a fixed sum of what it gives."""

    def __init__(self, compute: Compute) -> None:
        super().__init__()
        self.compute = compute

    def forward(self, x: Tensor) -> Tensor:
        output = self.compute(x)
        weights = torch.linspace(-1, 1, output[0].numel(), dtype=output.dtype).view_as(output[0])
        return (output * weights).flatten(1).sum(1, keepdim=True)


def values(*shape: int) -> Tensor:
    return torch.randn(2, *(shape or (4, 6, 6)), generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def by_rules(table: Backward, compute: Compute, x: Tensor) -> Tensor:
    leaf = x.clone().requires_grad_()
    _, (gradient,) = ruled(table, Function(compute), leaf, [leaf], lambda output: output)
    assert gradient is not None
    return gradient


def by_autograd(compute: Compute, x: Tensor) -> Tensor:
    leaf = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(Function(compute)(leaf).sum(), leaf)
    return gradient


def close(one: Tensor, other: Tensor) -> bool:
    return torch.allclose(one, other, rtol=1e-9, atol=1e-12)


ACTIVATIONS: dict[str, Compute] = {
    "gelu": functional.gelu,
    "gelu, tanh": lambda x: functional.gelu(x, approximate="tanh"),
    "silu": functional.silu,
    "mish": functional.mish,
    "hardswish": functional.hardswish,
    "relu6": functional.relu6,
    "elu": lambda x: functional.elu(x, 0.7),
    "celu": lambda x: functional.celu(x, 0.7),
    "selu": functional.selu,
    "relu": functional.relu,
    "leaky relu": functional.leaky_relu,
}
WRITTEN_OUT: dict[str, tuple[Compute, Compute]] = {
    "gelu": (lambda x: x * 0.5 * (1.0 + torch.erf(x / 2**0.5)), functional.gelu),
    "gelu, tanh": (
        lambda x: 0.5 * x * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (x + 0.044715 * x.pow(3)))),
        lambda x: functional.gelu(x, approximate="tanh"),
    ),
    "silu": (lambda x: x * x.sigmoid(), functional.silu),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_function_is_a_gate(name: str) -> None:
    function, x = ACTIVATIONS[name], values()
    assert close(by_rules(HALF, function, x), by_autograd(lambda x: (function(x) / x).detach() * x, x))


@pytest.mark.parametrize("name", WRITTEN_OUT)
def test_so_is_one_that_is_written_out(name: str) -> None:
    written, function = WRITTEN_OUT[name]
    for table in (HALF, Backward(activation="derivative")):
        assert close(by_rules(table, written, values()), by_rules(table, function, values()))


def test_an_activation_function_may_have_its_derivative() -> None:
    assert close(
        by_rules(Backward(activation="derivative"), functional.gelu, values()), by_autograd(functional.gelu, values())
    )


def test_what_a_function_is_at_zero_is_a_bias() -> None:
    zero = torch.log(torch.tensor(2.0, dtype=torch.float64))
    gated = by_autograd(lambda x: ((functional.softplus(x) - zero) / x).detach() * x, values())
    assert close(by_rules(HALF, functional.softplus, values()), gated)
    # next to zero the quotient would be rounding: its slope there
    near = torch.full((1, 4), 1e-12, dtype=torch.float64)
    assert close(by_rules(HALF, functional.softplus, near) / by_autograd(lambda x: x, near), torch.full_like(near, 0.5))


@pytest.mark.parametrize("function", [functional.gelu, functional.silu, functional.mish, functional.hardswish])
def test_at_zero_a_gate_is_the_slope(function: Compute) -> None:
    zeros = torch.zeros(1, 4, dtype=torch.float64)
    assert torch.allclose(by_rules(HALF, function, zeros), by_autograd(function, zeros), atol=1e-4)


def centred(x: Tensor, dims: tuple[int, ...], unbiased_mean: bool = True) -> Tensor:
    """(x - mean) / scale, the scale a constant."""
    mean = x.mean(dims, keepdim=True) if unbiased_mean else torch.zeros_like(x)
    scale = ((x - mean).square().mean(dims, keepdim=True) + 1e-5).sqrt()
    return (x - mean) / scale.detach()


WEIGHT, BIAS = torch.linspace(1, 2, 6, dtype=torch.float64), torch.linspace(0, 1, 6, dtype=torch.float64)
NORMALIZATIONS: dict[str, tuple[Compute, Compute]] = {
    "layer": (lambda x: functional.layer_norm(x, (6,), WEIGHT, BIAS), lambda x: centred(x, (3,)) * WEIGHT + BIAS),
    "of several dimensions": (lambda x: functional.layer_norm(x, (6, 6)), lambda x: centred(x, (2, 3))),
    "root mean square": (
        lambda x: functional.rms_norm(x, (6,), WEIGHT, 1e-5),
        lambda x: centred(x, (3,), unbiased_mean=False) * WEIGHT,
    ),
    "group": (
        lambda x: functional.group_norm(x, 2, WEIGHT[:4], BIAS[:4]),
        lambda x: (
            centred(x.unflatten(1, (2, 2)), (2, 3, 4)).flatten(1, 2) * WEIGHT[:4, None, None] + BIAS[:4, None, None]
        ),
    ),
    "instance": (functional.instance_norm, lambda x: centred(x, (2, 3))),
    "written out": (
        lambda x: (x - x.mean(1, keepdim=True)) * torch.rsqrt(x.var(1, correction=0, keepdim=True) + 1e-5),
        lambda x: centred(x, (1,)),
    ),
    "by a negative power": (
        lambda x: (x - x.mean(1, keepdim=True)) * torch.pow(x.var(1, correction=0, keepdim=True) + 1e-5, -0.5),
        lambda x: centred(x, (1,)),
    ),
    "divided": (
        lambda x: (x - x.mean(1, keepdim=True)) / torch.sqrt(x.var(1, correction=0, keepdim=True) + 1e-5),
        lambda x: centred(x, (1,)),
    ),
    "to a length of one": (
        lambda x: functional.normalize(x, dim=1),
        lambda x: x / x.norm(dim=1, keepdim=True).detach(),
    ),
}


@pytest.mark.parametrize("name", NORMALIZATIONS)
def test_the_scale_of_a_normalization_is_a_constant(name: str) -> None:
    function, restated = NORMALIZATIONS[name]
    assert close(Function(function)(values()), Function(restated)(values()))
    assert close(by_rules(HALF, function, values()), by_autograd(restated, values()))


def test_batch_normalization_that_evaluates_is_linear() -> None:
    layer = nn.BatchNorm2d(4).double().eval()
    assert close(by_rules(HALF, layer, values()), by_autograd(layer, values()))


def parts(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    query, key, value = x.unflatten(2, (3, -1)).unbind(2)
    return query, key, value


def attention(x: Tensor, mask: Tensor | None = None) -> Tensor:
    query, key, value = parts(x)
    weights = (query @ key.mT * query.shape[-1] ** -0.5 + (0 if mask is None else mask)).softmax(-1)
    return weights @ value


def constant(x: Tensor, mask: Tensor | None = None) -> Tensor:
    query, key, value = parts(x)
    return (query @ key.mT * query.shape[-1] ** -0.5 + (0 if mask is None else mask)).softmax(-1).detach() @ value


def quartered(x: Tensor) -> Tensor:
    query, key, value = parts(x)
    query, key = (0.25 * one + 0.75 * one.detach() for one in (query, key))
    value = 0.5 * value + 0.5 * value.detach()
    return attention(torch.stack([query, key, value], 2).flatten(2, 3))


def fused(x: Tensor, **options: Any) -> Tensor:
    query, key, value = (one.unsqueeze(1) for one in parts(x))
    return functional.scaled_dot_product_attention(query, key, value, **options).squeeze(1)


MASK = torch.linspace(-1, 1, 25, dtype=torch.float64).view(5, 5)
FUSED: dict[str, Compute] = {
    "one operation": fused,
    "by a mask that wants a gradient": lambda x: fused(
        x, attn_mask=torch.zeros(5, 5, dtype=x.dtype, requires_grad=True)
    ),
    "written out": attention,
}


@pytest.mark.parametrize("name", FUSED)
def test_the_softmax_of_attention_is_a_constant_or_has_its_share(name: str) -> None:
    x = values(5, 12)
    assert close(by_rules(HALF, FUSED[name], x), by_autograd(constant, x))
    assert close(by_rules(Backward(), FUSED[name], x), by_autograd(constant, x))
    assert close(by_rules(SPLIT, FUSED[name], x), by_autograd(quartered, x))


@pytest.mark.parametrize("table", [HALF, SPLIT])
def test_attention_of_torch_is_one_whether_it_returns_its_weights_or_not(table: Backward) -> None:
    layer = nn.MultiheadAttention(4, 2, batch_first=True).double().eval()

    def attended(x: Tensor, weights: bool) -> Tensor:
        output: Tensor = layer(x, x, x, need_weights=weights)[0]
        return output

    x = values(5, 4)
    assert close(by_rules(table, lambda x: attended(x, True), x), by_rules(table, lambda x: attended(x, False), x))


def test_masks_and_causes_are_the_models_own() -> None:
    x, causal = values(5, 12), torch.full((5, 5), -torch.inf, dtype=torch.float64).triu(1)
    assert close(by_rules(HALF, lambda x: fused(x, attn_mask=MASK), x), by_autograd(lambda x: constant(x, MASK), x))
    assert close(by_rules(HALF, lambda x: fused(x, is_causal=True), x), by_autograd(lambda x: constant(x, causal), x))


def test_queries_that_depend_on_nothing_have_no_share() -> None:
    query = torch.linspace(-1, 1, 8, dtype=torch.float64).view(1, 2, 4)

    def pooled(x: Tensor, attend: Compute) -> Tensor:
        key, value = x.chunk(2, 2)
        return attend(query.expand(len(x), -1, -1), key, value)

    def halved(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        key, value = (0.5 * one + 0.5 * one.detach() for one in (key, value))
        return (query @ key.mT * 0.5).softmax(-1) @ value

    def one(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return functional.scaled_dot_product_attention(query[:, None], key[:, None], value[:, None]).squeeze(1)

    x, expected = values(5, 8), by_autograd(lambda x: pooled(x, halved), values(5, 8))
    assert close(by_rules(SPLIT, lambda x: pooled(x, one), x), expected)
    assert close(by_rules(SPLIT, lambda x: pooled(x, lambda q, k, v: (q @ k.mT * 0.5).softmax(-1) @ v), x), expected)


def test_a_product_halves() -> None:
    def product(x: Tensor) -> Tensor:
        return x[:, :2] * x[:, 2:]

    expected = by_autograd(product, values()) / 2
    assert close(by_rules(HALF, product, values()), expected)
    assert close(by_rules(HALF, lambda x: x * x, values()), by_autograd(lambda x: x.detach() * x, values()))

    def matrices(x: Tensor) -> Tensor:
        return x[:, :2] @ x[:, 2:]

    assert close(by_rules(HALF, matrices, values()), by_autograd(matrices, values()) / 2)


def test_of_a_gated_product_the_gate_may_be_a_constant() -> None:
    def product(x: Tensor) -> Tensor:
        return functional.silu(x[:, :2]) * x[:, 2:]

    expected = by_autograd(lambda x: functional.silu(x[:, :2]).detach() * x[:, 2:], values())
    assert close(by_rules(Backward(product="gate"), product, values()), expected)


def test_what_a_sigmoid_multiplies_has_all() -> None:
    def squeeze(x: Tensor) -> Tensor:
        return x * (x.mean((2, 3), keepdim=True) * 2 + 1).sigmoid()

    expected = by_autograd(lambda x: x * (x.mean((2, 3), keepdim=True) * 2 + 1).sigmoid().detach(), values())
    for table in (HALF, Backward(), Backward(product="gate"), SPLIT):
        assert close(by_rules(table, squeeze, values()), expected)

    # a SiLU before it is no gate beside one
    def excited(x: Tensor) -> Tensor:
        return functional.silu(x) * x.mean((2, 3), keepdim=True).sigmoid()

    assert close(by_rules(Backward(product="gate"), excited, values()), by_rules(Backward(), excited, values()))


def test_a_gated_linear_unit_is_its_half_times_a_constant() -> None:
    def written(x: Tensor) -> Tensor:
        return x[:, :2] * x[:, 2:].sigmoid()

    for table in (HALF, Backward(), SPLIT, Backward(activation="derivative")):
        assert close(by_rules(table, lambda x: functional.glu(x, 1), values()), by_rules(table, written, values()))


GRID = torch.linspace(-1.1, 1.1, 2 * 3 * 3 * 3 * 3, dtype=torch.float64).view(2, 3, 3, 3, 3)
PLACES = torch.tensor([0, 2])
NO_BIAS: dict[str, Compute] = {
    "a grid sampled": lambda x: functional.grid_sample(x, GRID[:, 0, ..., :2], align_corners=False),
    "a grid of a volume": lambda x: functional.grid_sample(x[:, :, None], GRID, align_corners=False),
    "between two": lambda x: torch.lerp(x[:, :2], x[:, 2:], 0.3),
    "between two, by place": lambda x: torch.lerp(x[:, :2], x[:, 2:], WEIGHT),
    "added at places": lambda x: x.index_add(1, PLACES, x[:, :2]),
    "unpooled": lambda x: functional.max_unpool2d(*functional.max_pool2d(x, 2, return_indices=True), 2),
    "a volume unpooled": lambda x: functional.max_unpool3d(
        *functional.max_pool3d(x[:, None], 2, return_indices=True), 2
    ),
    "the k-th smallest": lambda x: x.kthvalue(3, 1).values,
    "the median": lambda x: x.median(1).values,
    "the median of numbers": lambda x: x.nanmedian(1).values,
}


@pytest.mark.parametrize("name", NO_BIAS)
def test_what_is_linear_or_homogeneous_has_its_gradient_which_sums_to_the_score(name: str) -> None:
    x, compute = values(), NO_BIAS[name]
    found = by_rules(HALF, compute, x)
    assert close(found, by_autograd(compute, x))
    assert close((x * found).flatten(1).sum(1, keepdim=True), Function(compute)(x))


REFUSED: dict[str, tuple[Backward, Compute, str]] = {
    "exp": (HALF, torch.exp, "Exp"),
    "a sigmoid that gates nothing": (HALF, torch.sigmoid, "Sigmoid"),
    "a softmax of no attention": (HALF, lambda x: x.softmax(1), "Softmax"),
    "a product": (Backward(), lambda x: x * x, "Mul, a product of two values that depend on the layer,"),
    "a product without a gate": (Backward(product="gate"), lambda x: x @ x, "Bmm, a product of two values"),
    "a product of derivatives": (Backward(activation="derivative"), lambda x: x * x, "Mul, a product"),
    "a normalization whose weight depends on it": (
        HALF,
        lambda x: functional.layer_norm(x, (6,), x.mean((0, 1, 2))),
        "NativeLayerNorm",
    ),
    "a grid that depends on it": (
        HALF,
        lambda x: functional.grid_sample(GRID[:, 0], x[:, :2].movedim(1, 3), align_corners=False),
        "GridSampler2D, whose grid depends on the layer,",
    ),
    "a weight that depends on it": (
        HALF,
        lambda x: torch.lerp(x, 2 * x, x.mean()),
        "Lerp, whose weight depends on the layer,",
    ),
    "a function of its own": (HALF, lambda x: Own.apply(x), "Own"),
}


class Own(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x * 2

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        return gradients[0] * 2


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_rule_is_for_is_refused_by_name(name: str) -> None:
    table, compute, what = REFUSED[name]
    model = nn.Sequential(nn.Conv2d(4, 4, 1), Function(compute)).double()
    with pytest.raises(
        ConfigError, match=rf"^backward: expected operations .*, got {what}.* in module 1, Function; take a layer"
    ):
        balance(table, model, values(), lambda output: output)


@pytest.mark.parametrize("table", [HALF, SPLIT, Backward(activation="derivative")])
def test_a_network_of_relus_has_its_gradient(table: Backward) -> None:
    layers = [nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16, 3)]
    model = nn.Sequential(*layers).double().eval()
    assert torch.equal(by_rules(table, model, values()), by_autograd(model, values()))
    total, score = balance(table, model, values())
    assert total == pytest.approx(score, rel=1e-9)
