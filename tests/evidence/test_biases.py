"""What layers add: against the definition, by whole Jacobians, and y = x . dy/dx + sum b . dy/df on whole networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from timm.layers import BatchNormAct2d
from torch import Tensor, nn

import xaikit
from helpers.nets import PROPERTY
from helpers.untouched import untouched
from xaikit import ConfigError, Needs
from xaikit.evidence.biases import units
from xaikit.passes.added import added
from xaikit.view import View

EXACT = 1e-12
CHANNELS, CLASSES = 4, 3


def trained(net: nn.Module, seed: int = 0) -> Any:
    """Numbers as after training, in all that normalizes: the same every time."""
    generator = torch.Generator().manual_seed(seed)
    for module in net.modules():
        for name, value in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
            if value.is_floating_point():
                numbers = torch.randn(value.shape, generator=generator)
                value.data.copy_(numbers.abs() + 0.5 if name == "running_var" else numbers / 2)
    return net.eval().double()


LAYERS: dict[str, Callable[[], nn.Module]] = {
    "convolution": lambda: nn.Conv2d(CHANNELS, 5, 3),
    "convolution without bias": lambda: nn.Conv2d(CHANNELS, 5, 3, bias=False),
    "batch normalization": lambda: nn.BatchNorm2d(CHANNELS),
    "batch normalization without weights": lambda: nn.BatchNorm2d(CHANNELS, affine=False),
    "batch normalization with an activation inside": lambda: BatchNormAct2d(CHANNELS, act_layer=nn.SiLU),
    "linear": lambda: nn.Linear(5, 7),
    "linear without bias": lambda: nn.Linear(5, 7, bias=False),
    "group normalization": lambda: nn.GroupNorm(2, CHANNELS),
    "layer normalization": lambda: nn.LayerNorm(5),
    "instance normalization": lambda: nn.InstanceNorm2d(CHANNELS, affine=True),
    "silu": nn.SiLU,
    "silu in place": lambda: nn.SiLU(inplace=True),
    "gelu": nn.GELU,
    "relu6": nn.ReLU6,
    "hardswish": nn.Hardswish,
    "sigmoid": nn.Sigmoid,
    "softmax": lambda: nn.Softmax(1),
    "relu": nn.ReLU,
    "dropout": nn.Dropout,
    "squares": lambda: Squares(),
}


class Squares(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.square()


@pytest.mark.parametrize("name", LAYERS)
def test_the_bias_of_a_layer_is_what_is_left_of_it_without_its_linear_part(name: str) -> None:
    layer = trained(LAYERS[name]())
    x = 3 * torch.randn(2, CHANNELS, 6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    output = layer(x.clone()).detach()
    jacobian: Any = torch.autograd.functional.jacobian(lambda given: layer(given.clone()), x)
    part = (jacobian.flatten(output.dim()) @ x.flatten()).view(output.shape)
    bias = added(layer, x, output)
    assert (bias.expand_as(output) - (output - part)).abs().max() <= EXACT
    assert not bias.requires_grad


def test_units_are_the_smallest_modules_that_may_add() -> None:
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), BatchNormAct2d(4), nn.Sequential(nn.SiLU(), nn.MaxPool2d(2)), nn.Flatten()
    )
    assert [name for name, _ in units(net)] == ["0", "2", "3.0"]


def test_what_parametrizes_a_weight_is_a_part_of_its_layer() -> None:
    plain = nn.Conv2d(3, 2, 3, bias=False)
    with_weight_norm = nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 2, 3))
    net = nn.Sequential(nn.utils.parametrizations.spectral_norm(plain), with_weight_norm)
    assert [name for name, _ in units(net)] == ["0", "1"]


@dataclass(frozen=True)
class Added:
    """L = x * dy/dx; keeps what the whole comes to, and what each layer adds."""

    records: list[Any] = field(default_factory=list)

    needs: ClassVar[Needs] = Needs(gradients=1, biases=True, layers="all")

    def explain(self, view: View) -> Tensor:
        products = view.activations * view.gradients
        total = products.flatten(2).sum(2) + sum(bias.products.flatten(2).sum(2) for bias in view.biases)
        self.records.extend([total, view.scores, [bias.name for bias in view.biases], view.gradients])
        return products.sum(2)


ACTIVATIONS: tuple[Callable[[], nn.Module], ...] = (
    *(nn.ReLU, nn.SiLU, nn.ReLU6, nn.GELU, nn.Hardswish, nn.Softplus),
    *(lambda: nn.ReLU(inplace=True), lambda: nn.SiLU(inplace=True)),
)
NORMS: tuple[Callable[[int], nn.Module], ...] = (
    nn.BatchNorm2d,
    BatchNormAct2d,
    lambda width: nn.GroupNorm(2, width),
    lambda width: nn.GroupNorm(1, width),
    lambda _: nn.Identity(),
)


class Residual(nn.Module):
    def __init__(self, norm: Callable[[int], nn.Module], act: Callable[[], nn.Module], bias: bool) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, bias=bias), norm(CHANNELS), act())
        self.act = act()

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.act(x + self.inner(x))
        return output


class ChannelsLast(nn.Module):
    """LayerNorm over the channels, as ConvNeXt has it."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(CHANNELS)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.norm(x.movedim(1, -1)).movedim(-1, 1)
        return output


def convolutional(norm: int, act: int, bias: bool, flat: bool, depth: int, seed: int) -> Any:
    blocks = [Residual(NORMS[norm], ACTIVATIONS[act], bias) for _ in range(depth)]
    head = [nn.Flatten(), nn.Linear(CHANNELS * 12, CLASSES)] if flat else [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    tail = [] if flat else [nn.Linear(CHANNELS, CLASSES)]
    net = nn.Sequential(nn.Conv2d(3, CHANNELS, 3, 2, 1, bias=bias), *blocks, ChannelsLast(), *head, *tail)
    return trained(net, seed)


@PROPERTY
@given(
    st.integers(0, len(NORMS) - 1),
    st.integers(0, len(ACTIVATIONS) - 1),
    st.booleans(),
    st.booleans(),
    st.integers(0, 2),
    st.integers(0, 9999),
)
def test_input_and_biases_sum_to_the_score(norm: int, act: int, bias: bool, flat: bool, depth: int, seed: int) -> None:
    net, probe = convolutional(norm, act, bias, flat, depth, seed), Added()
    x = torch.randn(2, 3, 8, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    with untouched(net, x):
        explanations = xaikit.explain(
            net, x, {"probe": probe, "fullgrad": "fullgrad"}, target={"use": "classes", "of": [0, 2]}
        )
    total, scores, _, gradients = probe.records
    leaf = x.clone().requires_grad_()
    (expected,) = torch.autograd.grad(net(leaf)[:, 2].sum(), leaf)
    assert (gradients[:, 1] - expected).abs().max() <= EXACT * max(1, expected.abs().max())
    assert (total - scores).abs().max() <= 1e-10 * max(1, scores.abs().max())
    assert explanations["fullgrad"].numbers["unexplained"]["input"].max() <= 1e-9
    assert explanations["fullgrad"].maps["input"].shape == (2, 2, 8, 6)


# --- what cannot be counted


class Functional(nn.Module):
    """A function in the forward, which no hook sees."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, CHANNELS, 3), nn.ReLU())
        self.gate = nn.Sequential(nn.Conv2d(CHANNELS, CHANNELS, 1), nn.Sigmoid())
        self.function = function
        self.head = nn.Linear(CHANNELS, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.function(self.body(x)).mean((2, 3)))
        return logits


class Gated(Functional):
    def forward(self, x: Tensor) -> Tensor:
        maps = self.body(x)
        logits: Tensor = self.head((maps * self.gate(maps)).mean((2, 3)))
        return logits


def plus_one(x: Tensor) -> Tensor:
    return x + 1


PLANTED: dict[str, Callable[[], nn.Module]] = {
    "sigmoid": lambda: Functional(torch.sigmoid),
    "silu": lambda: Functional(nn.functional.silu),
    "a number added": lambda: Functional(plus_one),
    "a gate": lambda: Gated(torch.relu),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", PLANTED)
def test_a_function_that_no_module_is_is_refused(name: str, dtype: torch.dtype) -> None:
    net = trained(PLANTED[name]()).to(dtype)
    x = torch.randn(2, 3, 8, 6, generator=torch.Generator().manual_seed(0)).to(dtype)
    with untouched(net, x), pytest.raises(ConfigError, match=r"fullgrad: .* got 0\.\d+ of the largest term left over"):
        xaikit.explain(net, x, "fullgrad", target=0)


@pytest.mark.parametrize("function", [torch.relu, nn.functional.leaky_relu, torch.abs])
def test_a_function_that_adds_nothing_is_served(function: Callable[[Tensor], Tensor]) -> None:
    net, x = trained(Functional(function)), torch.randn(2, 3, 8, 6, dtype=torch.float64, generator=torch.Generator())
    assert xaikit.explain(net, x, "fullgrad", target=0)["fullgrad"].maps["input"].any()


# --- conditions


def net_of_every_kind() -> Any:
    return convolutional(1, 1, bias=True, flat=False, depth=2, seed=0)


class Switching(nn.Module):
    """A model that switches grad off in its own forward."""

    def __init__(self, mode: Any) -> None:
        super().__init__()
        self.inner = net_of_every_kind()
        self.mode = mode

    def forward(self, x: Tensor) -> Any:
        with self.mode():
            return self.inner(x)


def inputs() -> Tensor:
    return torch.randn(3, 3, 8, 6, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def fullgrad(net: nn.Module, x: Tensor) -> Tensor:
    return xaikit.explain(net, x, "fullgrad", target=1)["fullgrad"].maps["input"]


def of_inference_weights() -> Any:
    with torch.inference_mode():
        return net_of_every_kind()


@pytest.mark.parametrize(
    "build",
    [
        lambda: net_of_every_kind().train(),
        lambda: net_of_every_kind().requires_grad_(False),
        of_inference_weights,
        lambda: Switching(torch.no_grad),
        lambda: Switching(torch.inference_mode),
    ],
    ids=["in training", "frozen", "inference weights", "no_grad forward", "inference forward"],
)
def test_the_state_of_the_model_changes_nothing(build: Callable[[], Any]) -> None:
    """A normalization with an activation inside is run again for its bias: in evaluation, and nowhere else."""
    x = inputs()
    expected, net = fullgrad(net_of_every_kind(), x), build()
    with untouched(net, x):
        saliency = fullgrad(net, x)
    assert (saliency - expected).abs().max() <= 1e-10 * expected.abs().max()


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_the_modes_of_the_caller_change_nothing(mode: Any) -> None:
    net, x = net_of_every_kind(), inputs()
    expected = fullgrad(net, x)
    with untouched(net, x), mode():
        assert torch.equal(fullgrad(net, x), expected)


def test_gradcam_beside_it_is_gradcam_alone_to_the_bit() -> None:
    net, x = net_of_every_kind().float(), inputs().float()
    layers = ["1.inner.1", "1.inner.1.act", "1.act", "2"]
    alone = xaikit.explain(net, x, "gradcam", layers=layers, target=1)["gradcam"]
    beside = xaikit.explain(net, x, ["fullgrad", "gradcam"], layers=layers, target=1)["gradcam"]
    for layer, saliency in alone.maps.items():
        assert saliency.any()
        assert torch.equal(saliency, beside.maps[layer]), layer


@pytest.mark.parametrize("at", ["0", "2.act", "3"])
def test_nothing_is_left_behind_when_a_forward_raises(at: str) -> None:
    net, x = net_of_every_kind().train(), inputs()

    def planted(*_: Any) -> None:
        raise RuntimeError("planted")

    net.get_submodule(at).register_forward_pre_hook(planted)
    with untouched(net, x), pytest.raises(RuntimeError, match="planted"):
        fullgrad(net, x)


def test_a_layer_that_can_be_differentiated_once_only_is_missed_and_refused() -> None:
    net = nn.Sequential(
        nn.Conv2d(3, CHANNELS, 3), nn.Hardsigmoid(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)
    )
    with pytest.raises(ConfigError, match="of the largest term left over"):
        fullgrad(trained(net), inputs())


def test_the_gradient_at_the_input_comes_with_the_biases_alone() -> None:
    class Forgetful(Added):
        needs = Needs(gradients=1, layers="all")

        def explain(self, view: View) -> Tensor:
            return view.gradients.sum(2)

    with pytest.raises(xaikit.UndeclaredNeed, match="read at the input, which needs the whole model"):
        xaikit.explain(net_of_every_kind(), inputs(), {"it": Forgetful()}, target=0)
