"""A method that changes in place what others are explained from fails; the maps of the others are what they are alone."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

import xaikit
from xaikit import Needs, PluginContract, engine
from xaikit.engine import Batch, Request
from xaikit.evidence.taps import Tap
from xaikit.view import View
from xaikit_cams.gradcam import GradCAM
from xaikit_targets.top import Top

CHANGES: dict[str, Callable[[View], object]] = {
    "activations": lambda view: view.activations.mul_(2),
    "gradients": lambda view: view.gradients.zero_(),
    "data": lambda view: view.activations.data.mul_(2),
    "numpy": lambda view: view.gradients.numpy().fill(1),
    "a view": lambda view: view.activations[:, 0, 0].relu_(),
    "inputs": lambda view: view.inputs.mul_(2),
    "image": lambda view: view.image.numpy().fill(0),
    "nan": lambda view: view.gradients.fill_(float("nan")),
}


@dataclass(frozen=True)
class Changing:
    """Does something to the view before it returns a map."""

    does: Callable[[View], object] = field(default=lambda view: None)
    needs: ClassVar[Needs] = Needs(gradients=1, inputs=True)

    def explain(self, view: View) -> Tensor:
        self.does(view)
        return torch.zeros(view.shape)


def net() -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5)).eval()
    for parameter in model.parameters():
        parameter.data.copy_(torch.randn(parameter.shape, generator=generator))
    return model


INPUTS = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def requests(does: Callable[[View], object]) -> list[Request]:
    methods: dict[str, Any] = {"before": GradCAM(), "changing": Changing(does), "after": GradCAM()}
    return [
        Request(label=label, use=label, method=method, taps=(Tap("1"),), target=Top(), finish=None)
        for label, method in methods.items()
    ]


def explain(does: Callable[[View], object]) -> tuple[dict[str, Tensor], dict[str, Exception]]:
    failed: dict[str, Exception] = {}
    _, explanations = engine.explain(
        net(),
        Batch(INPUTS.clone(), ("a", "b")),
        requests(does),
        failed=lambda request, error: failed.update({request.label: error}),
    )
    return {label: next(iter(one.maps.values())) for label, one in explanations.items()}, failed


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_in_place_fails_alone(what: str) -> None:
    expected, _ = explain(lambda view: None)
    maps, failed = explain(CHANGES[what])
    assert failed.keys() == {"changing"}
    assert isinstance(failed["changing"], PluginContract)
    assert "changing: expected the evidence as it was" in str(failed["changing"])
    assert any("at layer 1" in note for note in failed["changing"].__notes__)
    assert maps.keys() == {"before", "after"}
    assert all(torch.equal(maps[label], expected[label]) for label in maps)


def test_scores_are_handed_out_as_a_copy() -> None:
    expected, _ = explain(lambda view: None)
    maps, failed = explain(lambda view: view.scores.zero_())
    assert not failed
    assert all(torch.equal(maps[label], expected[label]) for label in maps)


def test_inputs_are_put_back() -> None:
    inputs = INPUTS.clone()
    with pytest.raises(PluginContract, match="a change in place of the inputs; clone"):
        xaikit.explain(net(), inputs, {"mine": Changing(CHANGES["inputs"])}, layers="1")
    assert torch.equal(inputs, INPUTS)


def test_where_nobody_is_told_it_is_raised() -> None:
    with pytest.raises(PluginContract, match="a change in place of the activations of 1; clone"):
        xaikit.explain(net(), INPUTS, {"mine": Changing(CHANGES["activations"])}, layers="1")


def test_all_may_be_guilty() -> None:
    failed: list[str] = []
    _, explanations = engine.explain(
        net(),
        Batch(INPUTS, ("a", "b")),
        [one for one in requests(CHANGES["activations"]) if one.label == "changing"],
        failed=lambda request, error: failed.append(request.label),
    )
    assert (explanations, failed) == ({}, ["changing"])


def test_what_a_method_does_to_the_process_is_its_failure_or_its_remark() -> None:
    for does in (lambda view: torch.set_default_dtype(torch.float64), lambda view: sys.exit(0)):
        maps, failed = explain(does)
        assert (maps.keys(), failed.keys()) == ({"before", "after"}, {"changing"})
    one = xaikit.explain(net(), INPUTS, {"mine": Changing(lambda view: torch.rand(1))}, layers="1")["mine"]
    assert any("drew from the global random numbers of torch" in remark.reason for remark in one.warnings)


def test_a_target_that_would_end_the_process_is_an_error() -> None:
    with pytest.raises(PluginContract, match="the model or a target: expected an Exception"):
        xaikit.explain(net(), INPUTS, "gradcam", layers="1", target=lambda logits: sys.exit(0))
