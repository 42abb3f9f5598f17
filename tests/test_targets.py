"""Pinned targets: chosen once, scored alike in every later pass."""

from __future__ import annotations

import functools
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from helpers.nets import PROPERTY
from xaikit.errors import ConfigError, XaikitError
from xaikit.evidence.pinned import PinnedTogether
from xaikit.targets import FunctionTarget, PinnedClasses, class_indices, class_logits


def logits(samples: int = 3, classes: int = 4) -> Tensor:
    return torch.arange(samples * classes, dtype=torch.float64).view(samples, classes)


# --- PinnedClasses


@PROPERTY
@given(st.integers(1, 4), st.integers(1, 6), st.integers(1, 5), st.data())
def test_pinned_classes_score_the_chosen_logits(samples: int, classes: int, count: int, data: st.DataObject) -> None:
    rows = [data.draw(st.lists(st.integers(0, classes - 1), min_size=count, max_size=count)) for _ in range(samples)]
    output = logits(samples, classes)
    scores = PinnedClasses(torch.tensor(rows), plural=True).scores(output)
    assert scores.tolist() == [[output[row, index].item() for index in picked] for row, picked in enumerate(rows)]


def test_pinned_classes_are_the_same_in_a_later_pass_and_differentiable() -> None:
    pinned = PinnedClasses(torch.tensor([[0], [3]]))
    later = (-logits(2)).requires_grad_()
    scores = pinned.scores(later)
    assert scores.tolist() == [[0.0], [-7.0]]
    (gradient,) = torch.autograd.grad(scores.sum(), later)
    assert gradient.tolist() == [[1, 0, 0, 0], [0, 0, 0, 1]]
    assert not pinned.plural


# --- PinnedTogether


def together() -> PinnedTogether:
    classes = PinnedClasses(torch.tensor([[0, 2], [1, 1], [3, 0]]), plural=True)
    return PinnedTogether((classes, PinnedClasses(torch.tensor([[3], [2], [1]]))))


def test_targets_together_have_their_columns_side_by_side() -> None:
    pinned = together()
    assert pinned.plural
    assert pinned.scores(logits()).tolist() == [[0, 2, 3], [5, 5, 6], [11, 8, 9]]
    assert torch.equal(
        pinned.probabilities(logits()), torch.cat([one.probabilities(logits()) for one in pinned.parts], 1)
    )
    assert str(pinned) == "class 0, 2 or class 1, 1 or class 3, 0; class 3 or class 2 or class 1"


def test_targets_together_of_chosen_samples() -> None:
    index = torch.tensor([2, 0, 2])
    assert torch.equal(together().rows(index).scores(logits()[index]), together().scores(logits())[index])


def test_targets_together_can_only_do_what_all_of_them_can() -> None:
    called = FunctionTarget(margin).pin(logits(), None)
    mixed = PinnedTogether((together(), called))
    assert getattr(mixed, "probabilities", None) is None
    assert mixed.rows(torch.tensor([1])).scores(logits(1)).shape == (1, 4)
    assert getattr(PinnedTogether((together(), Bound())), "rows", None) is None


class Bound:
    """Scores the samples it was pinned on and no others."""

    plural = False

    def scores(self, output: Any) -> Tensor:
        return output[:, :1]


# --- FunctionTarget


def margin(output: Tensor) -> Tensor:
    return output[:, 0] - output[:, 1]


def both(output: Tensor) -> Tensor:
    return output[:, :2]


def test_a_callable_with_one_score_a_sample() -> None:
    pinned = FunctionTarget(margin).pin(logits(), None)
    assert not pinned.plural
    assert pinned.scores(2 * logits()).tolist() == [[-2.0]] * 3


def test_a_callable_with_several_scores_is_plural() -> None:
    pinned = FunctionTarget(both).pin(logits(), None)
    assert pinned.plural
    assert torch.equal(pinned.scores(logits()), logits()[:, :2])


def test_a_callable_gets_whatever_the_model_returned() -> None:
    pinned = FunctionTarget(lambda output: output["boxes"].sum((1, 2))).pin({"boxes": torch.ones(2, 5, 4)}, None)
    assert pinned.scores({"boxes": torch.ones(2, 5, 4)}).tolist() == [[20.0], [20.0]]


class Scorer:
    def __call__(self, output: Tensor) -> Tensor:
        return output.sum()


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (Scorer(), "target Scorer: expected scores of shape (N,) or (N, T), got ()"),
        (
            functools.partial(torch.unsqueeze, dim=0),
            "target partial: expected scores of shape (N,) or (N, T), got (1, 3, 4)",
        ),
        (len, "target len: expected scores of shape (N,) or (N, T), got int"),
        (lambda output: None, "target <lambda>: expected scores of shape (N,) or (N, T), got NoneType"),
        (lambda output: output.mean(0), "target <lambda>: expected scores of 3 samples, got 4"),
        (lambda output: output[:2, :1], "target <lambda>: expected scores of 3 samples, got 2"),
    ],
)
def test_a_callable_that_gives_no_scores_is_named(function: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        FunctionTarget(function).pin(logits(), None)
    assert str(caught.value) == message


def test_a_callable_that_later_gives_fewer_samples_is_an_error() -> None:
    pinned = FunctionTarget(margin).pin(logits(), None)
    with pytest.raises(XaikitError) as caught:
        pinned.scores(logits(2))
    assert str(caught.value) == "target margin: expected 3 samples, got scores of shape (2,)"


# --- helpers of the targets that choose classes


def test_logits_are_let_through() -> None:
    output = logits()
    assert class_logits(output, "top") is output


@pytest.mark.parametrize(
    ("output", "got"),
    [
        (torch.zeros(2, 3, 8, 8), "a tensor of shape (2, 3, 8, 8)"),
        (torch.zeros(3), "a tensor of shape (3,)"),
        ({"out": 1}, "dict"),
        ((torch.zeros(2, 3), {"sex": torch.zeros(2, 4)}), "tuple with 0 (2, 3), 1.sex (2, 4)"),
        ([torch.zeros(1)] * 9, "list with " + ", ".join(f"{place} (1,)" for place in range(8)) + ", ..."),
        (torch.zeros(2, 3).long(), "a tensor of shape (2, 3) and type torch.int64, which has no gradient"),
        (torch.zeros(2, 3).numpy(), "ndarray, which has no gradient: return a tensor"),
        (None, "NoneType"),
    ],
)
def test_anything_but_logits_says_what_to_do(output: Any, got: str) -> None:
    with pytest.raises(ConfigError) as caught:
        class_logits(output, "top")
    assert str(caught.value) == (
        f"target top: expected logits (N, classes), got {got}; "
        "choose a part of the output with model.output, or give a callable"
    )


@pytest.mark.parametrize("wanted", [[0, 3], (0, 3), torch.tensor([0, 3]), torch.tensor([0, 3], dtype=torch.int32)])
def test_class_indices_become_a_tensor(wanted: Any) -> None:
    indices = class_indices(wanted, logits(), "classes")
    assert indices.dtype == torch.long
    assert indices.tolist() == [0, 3]


@pytest.mark.parametrize(("wanted", "bad"), [([4], 4), ([0, -1], -1), ([3, 99, -5], 99), ([[0, 1], [7, 1]], 7)])
def test_a_class_that_the_model_does_not_have(wanted: Any, bad: int) -> None:
    with pytest.raises(ConfigError) as caught:
        class_indices(wanted, logits(), "classes")
    assert str(caught.value) == f"target classes: expected a class index in 0 ... 3, got {bad}"
