"""From what a pass recorded to the trace: what a model does not have fails the methods that need it, and no others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

import xaikit
from helpers.hard_nets import Plain, images, seeded
from helpers.untouched import untouched
from xaikit import ConfigError, Needs
from xaikit.engine import Batch, Request, explain
from xaikit.evidence.taps import ATTENTION, BIASES, INPUT, Tap
from xaikit.registry import Registry
from xaikit.targets import FunctionTarget
from xaikit.view import View


@dataclass(frozen=True)
class First:
    """S = A"""

    needs: ClassVar[Needs] = Needs(attention=1, layers="all", scores=False)

    def explain(self, view: View) -> Tensor:
        return view.on_grid(view.attention[0].probabilities.mean((2, 3)))


@dataclass(frozen=True)
class Input:
    """S = sum of x dy/dx"""

    needs: ClassVar[Needs] = Needs(gradients=1, biases=True, layers="all")

    def explain(self, view: View) -> Tensor:
        return (view.activations * view.gradients).sum(view.channel)


def first_class(output: Tensor) -> Tensor:
    return output[:, 0]


def request(label: str, method: Any, *taps: Tap) -> Request:
    return Request(label, label, method, taps, FunctionTarget(first_class), None)


def test_a_model_without_attention_fails_what_needs_it_and_nothing_else() -> None:
    model, x = seeded(Plain), images(2, 2, 8, 7)
    gradcam = Registry().find("method", "gradcam").cls()
    failed: dict[str, str] = {}
    requests = [request("grad", gradcam, Tap("conv2")), request("attention", First(), ATTENTION)]
    with untouched(model, x):
        _, explanations = explain(
            model,
            Batch(x, ("a", "b")),
            requests,
            failed=lambda one, error: failed.update({one.label: str(error)}),
        )
    assert list(explanations) == ["grad"]
    assert failed.keys() == {"attention"}
    assert "expected blocks in which all tokens of a picture attend to each other, got none" in failed["attention"]


def test_the_gradient_at_the_input_is_autograds_and_changes_no_other_map() -> None:
    model, x = seeded(Plain), images(2, 2, 8, 7)
    leaf = x.clone().requires_grad_()
    (expected,) = torch.autograd.grad(model(leaf)[:, 0].sum(), leaf)
    alone = xaikit.explain(model, x, "gradcam", layers="conv2", target=0)["gradcam"].maps["conv2"]
    with untouched(model, x):
        explanations = xaikit.explain(model, x, {"input": Input(), "grad": "gradcam"}, layers="conv2", target=0)
    assert torch.equal(explanations["input"].maps["input"], (x * expected).sum(1))
    assert torch.equal(explanations["grad"].maps["conv2"], alone)


def test_an_input_that_the_score_does_not_depend_on_is_disconnected() -> None:
    class Constant(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(3))

        def forward(self, x: Tensor) -> Tensor:
            return self.weight.expand(len(x), 3) * 1.0

    with pytest.raises(xaikit.Disconnected, match="does not depend on the input"):
        xaikit.explain(Constant(), torch.rand(2, 3, 4, 4), {"input": Input()}, target=0)


def test_one_forward_and_one_gradient_call_for_maps_of_layers_of_the_input_and_of_none() -> None:
    model, x = seeded(Plain), images(2, 2, 8, 7)
    runs = []
    model.register_forward_hook(lambda *_: runs.append(1))
    methods = {"input": Input(), "grad": "gradcam", "layer": "layercam", "edges": "edges", "center": "center"}
    explanations = xaikit.explain(model, x, methods, layers=["conv1", "conv2"], target=0)
    assert len(runs) == 1
    assert {tuple(explanations[label].maps) for label in methods} == {("input",), ("conv1", "conv2")}


def test_methods_that_look_at_no_layer_need_none_to_be_found() -> None:
    class Flat(nn.Module):
        """No map anywhere: auto would find nothing."""

        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(48, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(x.flatten(1))  # type: ignore[no-any-return]

    x = torch.rand(2, 3, 4, 4)
    assert xaikit.explain(Flat(), x, "edges")["edges"].maps["input"].shape == (2, 4, 4)
    with pytest.raises(xaikit.LayerNotFound):
        xaikit.explain(Flat(), x, "gradcam")


def test_the_taps_that_are_no_modules() -> None:
    assert [str(tap) for tap in (INPUT, BIASES, ATTENTION)] == ["input", "input", "attention"]
    assert not any(tap.is_hooked for tap in (INPUT, BIASES, ATTENTION))
    with pytest.raises(ConfigError):
        xaikit.explain(seeded(Plain), images(2, 2, 8, 7), {"first": First()}, target=0)


def test_integers_have_no_gradient_and_fail_what_needs_it_alone() -> None:
    class Bytes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = seeded(Plain)

        def forward(self, x: Tensor) -> Tensor:
            return self.net(x.double() / 255)  # type: ignore[no-any-return]

    model, x = Bytes(), torch.randint(0, 255, (2, 2, 8, 7), dtype=torch.uint8)
    failed: dict[str, str] = {}
    gradcam = Registry().find("method", "gradcam").cls()
    requests = [request("grad", gradcam, Tap("net.conv2")), request("input", Input(), BIASES)]
    batch = Batch(x, ("a", "b"))
    _, explanations = explain(model, batch, requests, failed=lambda one, error: failed.update({one.label: str(error)}))
    assert list(explanations) == ["grad"]
    assert "inputs: expected floating-point numbers" in failed["input"]


def test_a_trace_keeps_no_graph_of_an_output_that_is_no_tensor() -> None:
    class Listed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = seeded(Plain)

        def forward(self, x: Tensor) -> list[dict[str, Tensor]]:
            return [{"scores": row} for row in self.net(x)]

    def first(output: list[dict[str, Tensor]]) -> Tensor:
        return torch.stack([one["scores"][0] for one in output])

    gradcam = Registry().find("method", "gradcam").cls()
    grad_request = Request("grad", "gradcam", gradcam, (Tap("net.conv2"),), FunctionTarget(first), None)
    trace, _ = explain(Listed(), Batch(images(2, 2, 8, 7), ("a", "b")), [grad_request])
    assert trace.output[0]["scores"].grad_fn is None
