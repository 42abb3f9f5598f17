"""raw and binary: models whose output is one number a sample."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import xaikit
from helpers.nets import distance
from xaikit import ConfigError
from xaikit_targets.binary import Binary
from xaikit_targets.raw import Raw
from xaikit_targets.top import Top

COLUMN = torch.tensor([[0.5], [-2.0], [0.0]])
shapes = pytest.mark.parametrize("output", [COLUMN, COLUMN[:, 0]], ids=["(N, 1)", "(N,)"])


class Regressor(nn.Module):
    """One number a sample, (N,)."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.features = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.ReLU())
            self.head = nn.Linear(4, 1)
        self.double().eval()

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.head(self.features(x).mean((2, 3))).squeeze(1)
        return scores


def explained(method: Any, target: Any) -> Tensor:
    x = torch.randn(3, 2, 6, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return xaikit.explain(Regressor(), x, {"one": method}, layers="features", target=target)["one"].maps["features"]


@shapes
def test_raw_is_the_output_itself(output: Tensor) -> None:
    pinned = Raw().pin(output, None)
    assert torch.equal(pinned.scores(output), COLUMN)
    assert torch.equal(pinned.rows(torch.tensor([2, 0])).scores(output[[2, 0]]), COLUMN[[2, 0]])
    assert not pinned.plural
    assert not hasattr(pinned, "probabilities")


def test_raw_takes_one_of_several_by_index() -> None:
    assert Raw(1).pin(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), None).scores(torch.eye(2)).tolist() == [[0.0], [1.0]]


@pytest.mark.parametrize(
    ("index", "output", "message"),
    [
        (None, torch.zeros(2, 3), "target raw: expected one number a sample, got 3; say index"),
        (3, torch.zeros(2, 3), "target raw: expected a class index in 0 ... 2, got 3"),
        (-1, torch.zeros(2), "target raw: expected a class index in 0 ... 0, got -1"),
        (
            None,
            torch.zeros(2, 1, 4),
            "target raw: expected numbers (N,), (N, 1) or (N, K), got a tensor of shape (2, 1, 4); "
            "choose a part of the output with model.output",
        ),
    ],
)
def test_raw_says_what_does_not_fit(index: int | None, output: Tensor, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Raw(index).pin(output, None)
    assert str(caught.value) == message


@shapes
def test_binary_turns_the_sign_for_the_negative_class(output: Tensor) -> None:
    pinned = Binary().pin(output, None)
    assert pinned.scores(output).tolist() == [[0.5], [2.0], [0.0]]
    assert pinned.scores(-output).tolist() == [[-0.5], [-2.0], [0.0]]  # pinned: it is not the absolute value
    assert str(pinned) == "the positive or negative class"
    torch.testing.assert_close(pinned.probabilities(output), COLUMN.abs().sigmoid())


@shapes
@pytest.mark.parametrize(("positive", "sign"), [(True, 1), (False, -1)])
def test_binary_scores_the_class_that_is_named(output: Tensor, positive: bool, sign: int) -> None:
    pinned = Binary(positive).pin(output, None)
    assert torch.equal(pinned.scores(output), sign * COLUMN)
    assert torch.equal(pinned.rows(torch.tensor([1])).scores(output[1:2]), sign * COLUMN[1:2])


@pytest.mark.parametrize("output", [torch.zeros(2, 2), torch.zeros(2, 1, 3), [torch.zeros(2)], None])
def test_binary_refuses_what_is_not_one_logit(output: Any) -> None:
    with pytest.raises(ConfigError, match=r"^target binary: expected one logit a sample, \(N,\) or \(N, 1\), got "):
        Binary().pin(output, None)


@pytest.mark.parametrize("method", ["gradcam", "ablationcam"])
def test_maps_of_the_two_sides_are_opposite(method: str) -> None:
    plain, positive = explained(method, {"use": "raw"}), explained(method, {"use": "binary", "positive": True})
    negative, predicted = explained(method, {"use": "binary", "positive": False}), explained(method, {"use": "binary"})
    assert plain.flatten(1).any(1).all()
    assert torch.equal(plain, positive)
    assert distance(-negative, positive) < 1e-12
    assert torch.equal(
        predicted, torch.where((predicted == positive).flatten(1).all(1)[:, None, None], positive, negative)
    )


def test_scorecam_has_a_probability_for_a_binary_model() -> None:
    by_probability = {"use": "scorecam", "weighting": "raw"}
    assert explained(by_probability, {"use": "binary"}).flatten(1).any(1).all()
    with pytest.raises(ConfigError, match="expected classes, which have a probability"):
        explained(by_probability, {"use": "raw"})


@pytest.mark.parametrize(
    ("output", "advice"),
    [
        (
            COLUMN,
            "got a tensor of shape (3, 1); of a regression target 'raw' explains its number, of one logit target 'binary'",
        ),
        (COLUMN[:, 0], "or give a callable; of a regression target 'raw'"),
        (torch.zeros(2, 5, 4, 4), "of a segmenter target 'region' explains the class that it predicts most"),
        ({"out": torch.zeros(2, 5, 4, 4), "aux": torch.zeros(2, 5, 4, 4)}, "target 'region' with output 'out'"),
        (
            [{"boxes": torch.zeros(0, 4), "labels": torch.zeros(0), "scores": torch.zeros(0)}],
            "of a detector target 'box'",
        ),
    ],
)
def test_top_says_which_target_suits_what_is_no_logits(output: Any, advice: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Top().pin(output, None)
    assert advice in str(caught.value)


def test_top_advises_nothing_where_nothing_suits() -> None:
    with pytest.raises(ConfigError, match=r"or give a callable$"):
        Top().pin({"one": torch.zeros(2, 3), "two": torch.zeros(2, 3)}, None)
