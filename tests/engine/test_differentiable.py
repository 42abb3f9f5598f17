"""Maps that a loss can be taken of: gradients reach the weights, exactly, and nothing else changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import xaikit
from helpers.untouched import untouched
from xaikit.errors import ConfigError
from xaikit.registry import Registry

REGISTRY = Registry()
METHODS = {name: REGISTRY.find("method", name).cls for name in REGISTRY.names("method")}
REFUSED = {
    name: cls
    for name, cls in METHODS.items()
    if cls.needs.reruns
    or cls.needs.replays
    or cls.needs.gradients > 1
    or cls.needs.attention
    or cls.needs.biases
    or cls.needs.head
    or cls.needs.module
    or cls.needs.backward is not None
}
GRADIENTS = sorted(name for name, cls in METHODS.items() if cls.needs.gradients and name not in REFUSED)


def net() -> nn.Module:
    """Smooth throughout, so that finite differences hold; in float64."""
    torch.manual_seed(0)
    layers = [
        nn.Conv2d(2, 3, 3, padding=1),
        nn.Tanh(),
        nn.Conv2d(3, 3, 3),
        nn.Softplus(),
        nn.Flatten(),
        nn.Linear(12, 3),
    ]
    return nn.Sequential(*layers).double()


def pictures() -> Tensor:
    return torch.rand(2, 2, 4, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def explained(model: nn.Module, method: Any, **more: Any) -> xaikit.Explanation:
    stated = {"layers": "3", "target": [0, 2], "finish": {"rectify": "none", "normalize": "none"}, **more}
    (explanation,) = xaikit.explain(model, pictures(), {"map": method}, **stated, differentiable=True).values()
    return explanation


def map_of(model: nn.Module, read: Callable[[], Tensor]) -> Callable[..., Tensor]:
    """The map as a function of all weights."""
    names = [name for name, _ in model.named_parameters()]

    def function(*weights: Tensor) -> Tensor:
        named = {f"model.{name}": weight for name, weight in zip(names, weights, strict=True)}
        return torch.func.functional_call(_Calling(model, read), named, ())

    return function


class _Calling(nn.Module):
    def __init__(self, model: nn.Module, read: Callable[[], Tensor]) -> None:
        super().__init__()
        self.model, self.read = model, read

    def forward(self) -> Tensor:
        return self.read()


@pytest.mark.parametrize("method", GRADIENTS)
def test_the_gradient_of_a_map_at_all_weights_is_that_of_finite_differences(method: str) -> None:
    model = net()
    weights = tuple(one.detach().clone().requires_grad_() for one in model.parameters())
    raw = map_of(model, lambda: next(iter(explained(model, method).maps.values())))
    assert torch.autograd.gradcheck(raw, weights, fast_mode=True)


@pytest.mark.parametrize("method", ["gradcam", "layercam", "inputxgradient"])
def test_so_is_that_of_the_finished_map(method: str) -> None:
    model = net()
    weights = tuple(one.detach().clone().requires_grad_() for one in model.parameters())
    finish = {"rectify": "none", "normalize": "max", "resize": "input"}
    fused = map_of(model, lambda: explained(model, method, finish=finish).map)  # type: ignore[arg-type, return-value]
    assert torch.autograd.gradcheck(fused, weights, fast_mode=True)


def test_maps_are_those_of_a_pass_without_a_graph() -> None:
    model = net()
    for method in GRADIENTS:
        with_graph = explained(model, method)
        (plain,) = xaikit.explain(
            model, pictures(), method, layers="3", target=[0, 2], finish={"rectify": "none", "normalize": "none"}
        ).values()
        assert not plain.maps[next(iter(plain.maps))].requires_grad
        for layer, raw in plain.maps.items():
            torch.testing.assert_close(with_graph.maps[layer].detach(), raw)
        torch.testing.assert_close(with_graph.scores.detach(), plain.scores)
        assert with_graph.scores.requires_grad


def test_a_loss_on_the_map_trains_the_model() -> None:
    """What is outside of a mask becomes unimportant: right for the right reasons (Ross et al., 2017)."""
    model, outside = net(), torch.ones(4, 4, dtype=torch.float64)
    outside[:2] = 0
    optimizer = torch.optim.Adam(model.parameters(), 0.01)

    def loss() -> Tensor:
        raw = explained(model, "inputxgradient").maps["input"]
        return ((raw * outside) ** 2).sum() / (raw**2).sum()

    first = loss()
    for _ in range(20):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    assert float(loss().detach()) < 0.5 * float(first.detach())


def test_nothing_is_touched_until_somebody_goes_backward() -> None:
    model = net().train()
    inputs = pictures()
    with untouched(model, inputs):
        explanation = xaikit.explain(model, inputs, "gradcam", layers="3", target=0, differentiable=True)["gradcam"]
    assert all(weight.grad is None for weight in model.parameters())
    with torch.no_grad():
        within = xaikit.explain(model, inputs, "gradcam", layers="3", target=0, differentiable=True)["gradcam"]
    for one in (explanation, within):
        model.zero_grad()
        one.maps["3"].sum().backward()
        assert all(bool(weight.grad.isfinite().all()) for weight in model.parameters() if weight.grad is not None)
        assert model[0].weight.grad.abs().sum() > 0  # type: ignore[index, union-attr]
    explanation.plot()


@pytest.mark.parametrize("method", sorted(REFUSED))
def test_what_no_graph_leads_through_is_refused(method: str) -> None:
    with pytest.raises(ConfigError, match=r"differentiable: map (makes|reads) .*, through which no gradient reaches"):
        explained(net(), method)


def test_so_are_augmented_inputs_and_samples_that_depend_on_each_other() -> None:
    with pytest.raises(ConfigError, match="differentiable: map averages over augmented inputs"):
        explained(net(), "gradcam", augment={"flip": True})
    model = nn.Sequential(
        nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1), nn.Flatten(), nn.Linear(12, 3)
    ).double()
    with pytest.raises(ConfigError, match=r'differentiable: expected samples that do not depend .* take mode="eval"'):
        explained(model, "gradcam", layers="0", mode="as_is")
