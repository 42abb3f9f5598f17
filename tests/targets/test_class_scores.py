"""softmax, rest and margin: what they score of one class, and how the class is said."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import xaikit
from helpers.nets import PROPERTY, Spec, distance
from xaikit import ConfigError
from xaikit.registry import Registry
from xaikit.schema.classes import Classes
from xaikit.schema.keys import Use
from xaikit.schema.plugins import instantiate
from xaikit_targets.margin import Margin
from xaikit_targets.rest import Rest
from xaikit_targets.softmax import Softmax

LOGITS = torch.tensor([[0.1, 0.9, 0.5], [3.0, -1.0, 2.0]], dtype=torch.float64)
TARGETS = (Softmax, Rest, Margin)
each = pytest.mark.parametrize("target", TARGETS)


def draws(seed: int, samples: int = 3, classes: int = 5) -> Tensor:
    return torch.randn(samples, classes, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@each
def test_the_class_is_an_index_the_top_or_the_label(target: Any) -> None:
    labels = torch.tensor([2, 1])
    assert target().pin(LOGITS, None).indices.tolist() == [[1], [0]]
    assert target(of=2).pin(LOGITS, None).indices.tolist() == [[2], [2]]
    assert target(of="label").pin(LOGITS, labels).indices.tolist() == [[2], [1]]
    assert not target().pin(LOGITS, None).plural


@each
def test_the_class_stays_when_another_wins(target: Any) -> None:
    later = draws(1, samples=2, classes=3)
    by_index = torch.stack([target(of).pin(LOGITS, None).scores(later)[row] for row, of in enumerate((1, 0))])
    assert torch.equal(target().pin(LOGITS, None).scores(later), by_index)


def test_softmax_is_the_probability() -> None:
    expected = torch.stack([LOGITS[0].exp()[1] / LOGITS[0].exp().sum(), LOGITS[1].exp()[0] / LOGITS[1].exp().sum()])
    torch.testing.assert_close(Softmax().pin(LOGITS, None).scores(LOGITS), expected[:, None])


def test_rest_is_logit_and_log_probability() -> None:
    expected = LOGITS[:, 2] + (LOGITS[:, 2].exp() / LOGITS.exp().sum(1)).log()
    torch.testing.assert_close(Rest(2).pin(LOGITS, None).scores(LOGITS), expected[:, None])


def test_rest_has_a_gradient_where_the_model_is_sure_and_softmax_has_none() -> None:
    sure = torch.tensor([[60.0, 0.0, 1.0]], requires_grad=True)
    (flat,) = torch.autograd.grad(Softmax().pin(sure, None).scores(sure).sum(), sure)
    (steep,) = torch.autograd.grad(Rest().pin(sure, None).scores(sure).sum(), sure)
    assert flat.abs().max() < 1e-25
    torch.testing.assert_close(steep[0, 0], torch.tensor(1.0))


@pytest.mark.parametrize("shift", [0.0, 300.0])
def test_rest_of_improbable_classes_is_finite(shift: float) -> None:
    logits = torch.tensor([[0.0, 200.0]]) + shift
    assert Rest(0).pin(logits, None).scores(logits).tolist() == [[shift - 200.0]]


def test_margin_is_the_distance_to_the_highest_other() -> None:
    torch.testing.assert_close(Margin().pin(LOGITS, None).scores(LOGITS), torch.tensor([[0.4], [1.0]]).double())
    torch.testing.assert_close(Margin(2).pin(LOGITS, None).scores(LOGITS), torch.tensor([[-0.4], [-1.0]]).double())


def test_margins_rival_stays_when_another_overtakes_it() -> None:
    later = torch.tensor([[9.0, 0.9, 0.5], [3.0, 7.0, 2.5]], dtype=torch.float64)
    torch.testing.assert_close(Margin().pin(LOGITS, None).scores(later), torch.tensor([[0.4], [0.5]]).double())


def test_margin_of_equal_logits_has_another_class_as_rival() -> None:
    pinned = Margin().pin(torch.ones(1, 3), None)
    assert pinned.indices.tolist() != pinned.rivals.tolist()


@PROPERTY
@given(st.sampled_from(TARGETS), st.integers(0, 9999))
def test_rows_are_the_scores_of_chosen_samples(target: Any, seed: int) -> None:
    clean, later, index = draws(seed), draws(seed + 1), torch.tensor([2, 0, 2, 1])
    pinned = target().pin(clean, None)
    assert torch.equal(pinned.rows(index).scores(later[index]), pinned.scores(later)[index])
    assert torch.equal(
        pinned.rows(index).probabilities(later[index]), later.softmax(1).gather(1, pinned.indices)[index]
    )


@each
def test_what_was_pinned_in_inference_mode_can_be_differentiated(target: Any) -> None:
    with torch.inference_mode():
        pinned = target().pin(LOGITS.clone(), None)
    output = LOGITS.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(pinned.scores(output).sum(), output)
    assert gradient.any(1).all()


@each
@pytest.mark.parametrize(
    ("of", "labels", "output", "message"),
    [
        (3, None, LOGITS, "expected a class index in 0 ... 2, got 3"),
        ("label", None, LOGITS, "the data has no labels; say of: top or a class index"),
        ("label", [0], LOGITS, "expected 2 labels, one a sample, got 1"),
        ("label", [0, 3], LOGITS, "expected a class index in 0 ... 2, got 3"),
        ("top", None, LOGITS[:, :1], "expected logits of at least two classes, got one"),
        ("top", None, torch.zeros(2, 3, 8, 8), "expected logits (N, classes), got a tensor of shape (2, 3, 8, 8)"),
    ],
)
def test_what_does_not_fit_the_model_is_an_error(
    target: Any, of: Any, labels: Any, output: Tensor, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        target(of).pin(output, None if labels is None else torch.tensor(labels))
    assert str(caught.value).startswith(f"target {target.__name__.lower()}: {message}")


@each
@pytest.mark.parametrize("of", ["", True, 1.5, None])
def test_what_says_no_class_is_refused(target: Any, of: Any) -> None:
    with pytest.raises(ValueError, match=r"^of: expected a class, 'top' or 'label', got "):
        target(of)


def test_a_config_says_the_class() -> None:
    registry = Registry()
    assert instantiate("target", Use("softmax", {"of": "label"}), registry) == Softmax("label")
    assert instantiate("target", Use("rest", {"of": 3}), registry) == Rest(3)
    named = instantiate("target", Use("margin", {"of": "lable"}), registry)
    with pytest.raises(ConfigError, match="expected a class index, got 'lable'; give the names of the classes"):
        named.pin(torch.rand(2, 3), None)
    with pytest.raises(ConfigError, match="no class 'lable'; known: cat, dog; or did you mean 'label'"):
        Classes(("cat", "dog")).with_indices(Margin, {"of": "lable"}, "target")


def test_a_map_of_the_margin_is_the_difference_of_two_maps() -> None:
    model, x = Spec(head="flatten", batch=2).build()
    pinned = Margin().pin(model(x), None)

    def of(target: Any) -> Tensor:
        return xaikit.explain(model, x, "gradcam", layers="features", target=target)["gradcam"].maps["features"]

    expected = of(pinned.indices[:, 0].tolist()) - of(pinned.rivals[:, 0].tolist())
    assert distance(of({"use": "margin"}), expected) < 1e-12


@pytest.mark.parametrize("name", ["softmax", "rest"])
def test_a_map_is_the_same_alone_and_beside_other_samples(name: str) -> None:
    """pytorch-grad-cam before 1.5.7 summed the log-probability of ReST over the batch."""
    model, x = Spec(batch=3).build()

    def of(rows: Tensor) -> Tensor:
        return xaikit.explain(model, rows, "gradcam", layers="features", target={"use": name})["gradcam"].maps[
            "features"
        ]

    assert distance(of(x), torch.cat([of(row[None]) for row in x])) < 1e-12
