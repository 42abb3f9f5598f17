"""The evidence at another layer than the one that a method looks at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

import xaikit
from helpers.hard_nets import Plain, images, seeded
from helpers.untouched import untouched
from xaikit import Backward, Needs
from xaikit.view import View


@dataclass(frozen=True)
class Elsewhere:
    """Keeps what it sees at another layer."""

    layer: str
    seen: list[View]
    needs: ClassVar[Needs] = Needs(gradients=1, backward=Backward(relu="guided"), reruns=True, layers="input")

    def explain(self, view: View) -> Tensor:
        self.seen.append(view.at(self.layer))
        return view.gradients.sum(view.channel)


@dataclass(frozen=True)
class Here:
    """Keeps what it sees."""

    seen: list[View]
    needs: ClassVar[Needs] = Needs(gradients=1)

    def explain(self, view: View) -> Tensor:
        self.seen.append(view)
        return view.gradients.sum(view.channel)


@pytest.mark.parametrize(("layer", "same"), [("conv1", "conv1"), ("act2", "act2"), ("auto", "act2")])
@pytest.mark.parametrize("target", [1, {"use": "classes", "of": [0, 2]}], ids=str)
def test_it_is_what_a_method_sees_there(layer: str, same: str, target: Any) -> None:
    model, x = seeded(Plain), images()
    there, here = Elsewhere(layer, []), Here([])
    with untouched(model, x):
        xaikit.explain(model, x, {"there": there}, target=target)
        xaikit.explain(model, x, {"here": here}, layers=same, target=target)
    (view,), (expected,) = there.seen, here.seen
    assert view.layer == same
    assert torch.equal(view.activations, expected.activations)
    assert torch.equal(view.scores, expected.scores)
    assert torch.allclose(view.gradients, expected.gradients, atol=1e-12)
    assert bool(view.gradients.any())


def test_further_passes_from_there_are_of_that_layer() -> None:
    model, x, there = seeded(Plain), images(), Elsewhere("conv2", [])
    xaikit.explain(model, x, {"there": there}, target=1)
    with pytest.raises(xaikit.UndeclaredNeed, match="replays=True"):
        there.seen[0].retrace_with(there.seen[0].activations.squeeze(1))


@pytest.mark.parametrize(
    ("layer", "error", "message"),
    [
        ("conv9", xaikit.LayerNotFound, "conv9"),
        ("conv*", xaikit.ConfigError, r"layer conv\*: expected one layer, got conv1, conv2; name one of them"),
    ],
)
def test_a_name_of_none_or_of_several_is_refused(layer: str, error: type[Exception], message: str) -> None:
    model, x = seeded(Plain), images()
    with untouched(model, x), pytest.raises(error, match=message):
        xaikit.explain(model, x, {"there": Elsewhere(layer, [])}, target=1)
