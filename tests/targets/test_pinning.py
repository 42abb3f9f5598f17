"""The targets that come with xaikit, pinned on logits written down by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from helpers.nets import PROPERTY
from xaikit import ConfigError
from xaikit_targets.classes import Classes
from xaikit_targets.label import Label
from xaikit_targets.logit import Logit
from xaikit_targets.top import Top

LOGITS = torch.tensor([[0.1, 0.9, 0.5], [3.0, -1.0, 2.0]])
MAPS = torch.zeros(2, 3, 8, 8)


def test_top_one_is_singular_and_the_highest() -> None:
    pinned = Top().pin(LOGITS, None)
    assert pinned.indices.tolist() == [[1], [0]]
    assert not pinned.plural
    assert Top() == Top(k=1)


def test_top_k_are_in_order_and_plural() -> None:
    pinned = Top(k=3).pin(LOGITS, None)
    assert pinned.indices.tolist() == [[1, 2, 0], [0, 2, 1]]
    assert pinned.plural


@PROPERTY
@given(st.integers(1, 6), st.integers(0, 9999))
def test_top_scores_descend_and_stay_on_their_classes_in_a_later_pass(k: int, seed: int) -> None:
    output = torch.randn(3, 6, generator=torch.Generator().manual_seed(seed))
    pinned = Top(k).pin(output, None)
    scores = pinned.scores(output)
    assert torch.equal(scores, scores.sort(1, descending=True).values)
    assert torch.equal(pinned.scores(-output), -scores)


def test_a_logit_is_the_same_class_for_every_sample() -> None:
    pinned = Logit(2).pin(LOGITS, None)
    assert pinned.scores(LOGITS).tolist() == [[0.5], [2.0]]
    assert not pinned.plural


@pytest.mark.parametrize("of", [(2, 0), [2, 0]])
def test_classes_keep_their_order(of: Any) -> None:
    pinned = Classes(of).pin(LOGITS, None)
    assert pinned.scores(LOGITS).tolist() == [[0.5, pytest.approx(0.1)], [2.0, 3.0]]
    assert pinned.plural


def test_one_class_in_a_list_keeps_the_axis() -> None:
    assert Classes((1,)).pin(LOGITS, None).plural
    assert Classes((1, 1)).pin(LOGITS, None).indices.shape == (2, 2)


def test_a_label_is_each_samples_own() -> None:
    pinned = Label().pin(LOGITS, torch.tensor([2, 0]))
    assert pinned.scores(LOGITS).tolist() == [[0.5], [3.0]]
    assert not pinned.plural


def test_labels_are_of_no_concern_to_the_others() -> None:
    labels = torch.tensor([7, 8, 9])
    for target in (Top(), Logit(0), Classes((0,))):
        assert target.pin(LOGITS, labels).indices.shape == (2, 1)


@pytest.mark.parametrize("target", [Top(), Logit(0), Classes((0,)), Label()])
def test_each_refuses_what_is_no_row_of_logits(target: Any) -> None:
    name = type(target).__name__.lower()
    with pytest.raises(ConfigError, match=rf"^target {name}: expected logits \(N, classes\), got a tensor of shape"):
        target.pin(MAPS, torch.tensor([0, 0]))


@pytest.mark.parametrize(
    ("target", "labels", "message"),
    [
        (Top(4), None, "target top: expected k of at most 3 classes, got 4"),
        (Logit(3), None, "target logit: expected a class index in 0 ... 2, got 3"),
        (Logit(-1), None, "target logit: expected a class index in 0 ... 2, got -1"),
        (Classes((0, 5)), None, "target classes: expected a class index in 0 ... 2, got 5"),
        (Label(), [0, 3], "target label: expected a class index in 0 ... 2, got 3"),
        (Label(), [0], "target: expected 2 class indices, one a sample, got 1"),
        (
            Label(),
            None,
            "target label: the data has no labels; use an imagefolder or a csv with a label column",
        ),
    ],
)
def test_what_does_not_fit_the_model_is_an_error(target: Any, labels: list[int] | None, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        target.pin(LOGITS, None if labels is None else torch.tensor(labels))
    assert str(caught.value) == message


def test_options_are_checked_when_they_are_given() -> None:
    with pytest.raises(ValueError, match=r"^k: expected at least 1, got 0$"):
        Top(0)
    with pytest.raises(ValueError, match=r"^of: expected at least one class index, got none$"):
        Classes(())


def test_the_plan_learns_how_many_scores_there_are() -> None:
    assert (Top().count, Top(5).count, Classes((1, 2)).count) == (1, 5, 2)
    assert not hasattr(Logit(0), "count")
    assert not hasattr(Label(), "count")
