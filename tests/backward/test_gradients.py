"""Gradients by rules of several keys: which share a backward, and by which way they are taken."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from helpers.rules import ruled
from xaikit import Backward, ConfigError, LinearRule
from xaikit.backward.gradients import ruled_gradients
from xaikit.backward.graph import ModuleCalls, in_order
from xaikit.evidence.hooks import hooked, named
from xaikit.passes import backprop
from xaikit.passes.backprop import gradients_at

HALF, DECOMPX = Backward(product="half"), Backward()
SPLIT = Backward(attention="split", product="half")
LRP = Backward(dense=LinearRule(), convolution=LinearRule("gamma"), first=LinearRule("flat"))


def seeded(model: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    for value in model.parameters():
        value.data.normal_(0, 0.3, generator=generator)
    return model.double().eval()


def cnn() -> nn.Module:
    layers = [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.SiLU(), nn.Conv2d(4, 4, 3), nn.GroupNorm(2, 4), nn.Flatten()]
    return seeded(nn.Sequential(*layers, nn.Linear(576, 5)))


def vit() -> nn.Module:
    return seeded(torchvision.models.VisionTransformer(16, 4, 2, 2, 8, 16, num_classes=5))


def images() -> Tensor:
    return torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def scored(model: nn.Module, x: Tensor) -> tuple[Tensor, ModuleCalls]:
    calls = ModuleCalls(keep=(nn.Linear,))
    with hooked(named(model), calls.leave, calls.enter):
        scores = model(x)
        calls.end()
    return scores, calls


def test_rules_that_say_the_same_of_a_graph_share_a_backward() -> None:
    leaf = images().requires_grad_()
    scores, calls = scored(vit(), leaf)
    tables = {"a": HALF, "b": DECOMPX, "c": SPLIT, "d": Backward(product="gate")}
    points = {key: (table, [leaf]) for key, table in tables.items()}
    taken = ruled_gradients(scores[:, :1], points, calls, partial(gradients_at, keep=True))
    assert taken.calls == 2
    found: dict[str, Any] = {key: next(one) for key, one in taken.gradients.items()}
    assert torch.equal(found["a"], found["b"])
    assert torch.equal(found["a"], found["d"])
    assert not torch.allclose(found["a"], found["c"])


@pytest.mark.parametrize("build", [cnn, vit])
@pytest.mark.parametrize("table", [HALF, SPLIT, LRP])
def test_batched_gradients_are_those_of_a_loop(build: Any, table: Backward) -> None:
    """As a device takes them, for several targets at once."""
    leaf = images().requires_grad_()
    scores, calls = scored(build(), leaf)

    def batched(scores: Tensor, points: Any) -> Any:
        return backprop._batched(scores, points), 1

    found = []
    for way in (batched, partial(gradients_at, keep=True)):
        taken = ruled_gradients(scores, {"it": (table, [leaf])}, calls, way)
        found.append(next(taken.gradients["it"]))
    assert found[0] is not None
    assert found[1] is not None
    assert torch.allclose(found[0], found[1], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("build", [cnn, vit])
@pytest.mark.parametrize("table", [HALF, SPLIT, LRP])
def test_weights_that_want_no_gradient_change_nothing(build: Any, table: Backward) -> None:
    found = []
    for wanted in (True, False):
        leaf = images().requires_grad_()
        _, (gradient,) = ruled(table, build().requires_grad_(wanted), leaf, [leaf], lambda output: output[:, 1:2])
        assert gradient is not None
        found.append(gradient)
    assert torch.allclose(found[0], found[1], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("table", [HALF, LRP])
def test_checkpointed_blocks_are_refused(table: Backward) -> None:
    class Checkpointed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = cnn()

        def forward(self, x: Tensor) -> Any:
            return checkpoint(self.net, x, use_reentrant=False)

    leaf = images().requires_grad_()
    with pytest.raises(ConfigError, match=r"got one that is checkpointed, .*; switch gradient checkpointing off"):
        ruled(table, Checkpointed(), leaf, [leaf], lambda output: output[:, 1:2])


def test_the_graph_is_left_as_it_was() -> None:
    leaf = images().requires_grad_()
    scores, calls = scored(vit(), leaf)
    (before,) = torch.autograd.grad(scores[:, 0].sum(), leaf, retain_graph=True)
    for table in (HALF, SPLIT, LRP):
        ruled_gradients(scores, {"it": (table, [leaf])}, calls, partial(gradients_at, keep=True))
    (after,) = torch.autograd.grad(scores[:, 0].sum(), leaf)
    assert torch.equal(before, after)


def test_so_it_is_when_the_backward_raises() -> None:
    leaf = images().requires_grad_()
    scores, calls = scored(vit(), leaf)
    (before,) = torch.autograd.grad(scores[:, 0].sum(), leaf, retain_graph=True)

    def raising(scores: Tensor, points: Any) -> Any:
        raise RuntimeError("planted")

    with pytest.raises(RuntimeError, match="planted"):
        ruled_gradients(scores, {"it": (HALF, [leaf])}, calls, raising)
    assert torch.equal(torch.autograd.grad(scores[:, 0].sum(), leaf)[0], before)


def test_scores_of_no_graph_have_no_gradient() -> None:
    leaf = images().requires_grad_()
    taken = ruled_gradients(torch.ones(2, 1), {"it": (HALF, [leaf])}, ModuleCalls(), gradients_at)
    assert next(taken.gradients["it"]) is None
    assert taken.calls == 0


def test_nodes_come_behind_their_operands() -> None:
    scores, _ = scored(vit(), images().requires_grad_())
    ordered = in_order(scores.grad_fn)
    places = {node: place for place, node in enumerate(ordered)}

    def operands() -> Iterator[bool]:
        for node in ordered:
            yield from (places[parent] < places[node] for parent, _ in node.next_functions if parent is not None)

    assert ordered[-1] is scores.grad_fn
    assert all(operands())
    assert len(places) == len(ordered)


def test_the_module_of_a_node_is_the_innermost() -> None:
    class Nested(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inside = nn.Sequential(nn.Conv2d(3, 2, 1), nn.ReLU())

        def forward(self, x: Tensor) -> Any:
            return (self.inside(x * 2) - 1).sum((2, 3))

    scores, calls = scored(Nested(), images().float().requires_grad_())
    made = {node.name(): calls.of(node) for node in in_order(scores.grad_fn) if node.next_functions}
    names = {name: None if call is None else call.name for name, call in made.items()}
    assert names["ConvolutionBackward0"] == "inside.0"
    assert names["ReluBackward0"] == "inside.1"
    assert (names["MulBackward0"], names["SubBackward0"], names["SumBackward1"]) == (None, None, None)
    assert calls.is_target((scores * 2).grad_fn)  # type: ignore[arg-type]
