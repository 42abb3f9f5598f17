"""What the matrix explanation unsaid, in small: why there is no map, by name."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import xaikit
from helpers.hard_nets import CLASSES, Plain, images, seeded


class OnceOnly(Plain):
    """With a function whose derivative has none."""

    def classify(self, x: Tensor) -> Tensor:
        return super().classify(nn.functional.hardsigmoid(x))


class Sharing(Plain):
    """A layer of one row for all samples, as the positions of a transformer."""

    def __init__(self) -> None:
        super().__init__()
        self.positions = nn.Linear(2, 4)

    def features(self, x: Tensor) -> Tensor:
        return super().features(x) + self.positions(torch.ones(1, 2, dtype=x.dtype)).view(1, 4, 1, 1)


class LookingUp(Plain):
    """An embedding of whole numbers beside the picture."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(3, 4)

    def features(self, x: Tensor) -> Tensor:
        return super().features(x) + self.embedding(torch.ones(len(x), dtype=torch.long)).view(-1, 4, 1, 1)


class Certain(Plain):
    """One class, whose probability nothing changes."""

    def classify(self, x: Tensor) -> Tensor:
        return super().classify(x)[:, :1]


@pytest.mark.parametrize(
    ("build", "method", "message"),
    [
        (OnceOnly, "shapleycam", r"expected functions .* differentiated twice.*hardsigmoid.*gradcam"),
        (Sharing, "fullgrad", r"layer positions: expected one row a sample \(2\), got 1: .*gradcam"),
        (LookingUp, "fullgrad", r"expected x \. dy/dx and the biases to sum to the score"),
    ],
)
def test_it_is_refused_by_name(build: type[Plain], method: str, message: str) -> None:
    with pytest.raises(xaikit.ConfigError, match=message):
        xaikit.explain(seeded(build), images(), method, layers="act2", target=1)


@pytest.mark.parametrize(
    ("build", "method", "shape", "message"),
    [
        (Certain, "groupcam", (2, 2, 8, 7), "no group of channels raises the probability"),
        (Plain, "fem", (2, 2, 2, 2), "no place is 2 deviations above its channel's mean"),
    ],
)
def test_it_is_warned_of_by_name(build: type[Plain], method: str, shape: tuple[int, ...], message: str) -> None:
    explanation = xaikit.explain(seeded(build), images(*shape), method, layers="act2", target=0)[method]
    assert not explanation.map.any()
    assert {remark.sample for remark in explanation.warnings if remark.reason == message} == {0, 1}


@pytest.mark.parametrize(("method", "message"), [("groupcam", "no group"), ("fem", "no place")])
def test_those_samples_are_warned_of_that_have_no_map(method: str, message: str) -> None:
    explanation = xaikit.explain(seeded(Plain), images(), method, layers="act2", target=CLASSES - 1)[method]
    dead = ~explanation.map.flatten(1).any(1)
    warned = {remark.sample for remark in explanation.warnings if remark.reason.startswith(message)}
    assert not dead.all()
    assert warned == set(dead.nonzero().flatten().tolist())
