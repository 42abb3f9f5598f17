"""The evidence at another layer than the one that a method looks at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

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


class Dense(nn.Module):
    """Coordinates and scores of boxes, (N, 4 + C, K), of one map; a coordinate is of few of its places."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk, self.boxes, self.classes = (nn.Conv2d(*sides, 3, padding=1) for sides in ((1, 4), (4, 4), (4, 3)))
        self.rect, self.places, self.labels = nn.ReLU(), nn.Conv2d(4, 4, 1), nn.Conv2d(3, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.rect(self.trunk(x))
        # coordinates in pixels, above all scores
        places, labels = 100 + self.places(self.boxes(x)), self.labels(self.classes(x))
        return torch.cat([places.flatten(2), labels.flatten(2)], 1)


def of_labels(output: Tensor) -> Tensor:
    return output[:, 4:].sum((1, 2))


def test_auto_of_an_output_that_is_no_classifiers_is_by_the_target() -> None:
    model, x, there = seeded(Dense), images()[:, :1], Elsewhere("auto", [])
    xaikit.explain(model, x, {"there": there}, target=of_labels)
    (view,) = there.seen
    assert view.layer == "rect"
    assert bool(view.gradients.any())


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
