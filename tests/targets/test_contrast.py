"""contrast: Finer-CAM's score against a loop over its formula, and the identity of its maps."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import xaikit
from helpers.nets import PROPERTY, Spec, distance, specs
from xaikit import ConfigError
from xaikit.registry import Registry
from xaikit.schema.keys import Use
from xaikit.schema.plugins import instantiate
from xaikit_targets.contrast import Contrast

LOGITS = torch.tensor([[2.0, 1.0, 2.5, -3.0, 1.9], [0.0, 4.0, 1.0, 3.9, -9.0]], dtype=torch.float64)


def reference(logits: list[float], index: int, count: int, alpha: float, uniform: bool) -> float:
    """The paper's score of one sample, term by term."""
    others = sorted((abs(y - logits[index]), place) for place, y in enumerate(logits) if place != index)
    chosen = [place for _, place in others[:count]]
    shares = [1.0 if uniform else math.exp(logits[place]) for place in chosen]
    terms = [share * (logits[index] - alpha * logits[place]) for share, place in zip(shares, chosen, strict=True)]
    return sum(terms) / sum(shares)


@PROPERTY
@given(st.integers(0, 9999), st.integers(1, 5), st.floats(0, 2), st.booleans(), st.integers(0, 5))
def test_the_score_is_the_papers(seed: int, count: int, alpha: float, uniform: bool, of: int) -> None:
    logits = 3 * torch.randn(3, 6, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    target = Contrast(of, {"top": count}, alpha, "uniform" if uniform else "softmax")
    expected = [[reference(row, of, count, alpha, uniform)] for row in logits.tolist()]
    torch.testing.assert_close(target.pin(logits, None).scores(logits), torch.tensor(expected, dtype=torch.float64))


def test_the_nearest_classes_are_the_references() -> None:
    pinned = Contrast().pin(LOGITS, None)
    assert pinned.indices.tolist() == [[2], [1]]
    assert pinned.references.tolist() == [[0, 4, 1], [3, 2, 0]]


def test_references_lie_above_and_below_the_class() -> None:
    assert Contrast(of=0, against={"top": 2}).pin(LOGITS, None).references[0].tolist() == [4, 2]


def test_references_and_weights_stay() -> None:
    pinned = Contrast().pin(LOGITS, None)
    later = LOGITS.flip(1).contiguous()
    shares = LOGITS.gather(1, pinned.references).softmax(1)
    expected = later.gather(1, pinned.indices)[:, 0] - (shares * later.gather(1, pinned.references)).sum(1)
    torch.testing.assert_close(pinned.scores(later)[:, 0], expected)


def test_the_gradient_is_linear_since_the_weights_have_none() -> None:
    output = LOGITS.clone().requires_grad_()
    pinned = Contrast(alpha=0.5).pin(output, None)
    (gradient,) = torch.autograd.grad(pinned.scores(output).sum(), output)
    expected = (
        torch.zeros_like(LOGITS).scatter(1, pinned.references, -0.5 * pinned.shares).scatter(1, pinned.indices, 1.0)
    )
    torch.testing.assert_close(gradient, expected)


def test_against_a_list_passes_over_the_class_itself() -> None:
    pinned = Contrast(against=(2, 1)).pin(LOGITS, None)
    torch.testing.assert_close(pinned.scores(LOGITS), torch.tensor([[1.5], [3.0]], dtype=torch.float64))
    assert Contrast(of=0, against=(1,), alpha=0.0).pin(LOGITS, None).scores(LOGITS).tolist() == [[2.0], [0.0]]


def test_weights_far_below_one_are_still_told_apart() -> None:
    logits = torch.tensor([[0.0, -500.0, -501.0]])
    (shares,) = Contrast(of=0, against=(1, 2)).pin(logits, None).shares.tolist()
    assert shares == pytest.approx([1 / (1 + math.exp(-1)), 1 / (1 + math.e)])


def test_rows_keep_references_and_weights() -> None:
    pinned, index = Contrast().pin(LOGITS, None), torch.tensor([1, 1, 0])
    assert torch.equal(pinned.rows(index).scores(LOGITS[index]), pinned.scores(LOGITS)[index])
    assert torch.equal(pinned.rows(index).probabilities(LOGITS[index]), pinned.probabilities(LOGITS)[index])


@PROPERTY
@given(specs(head=st.sampled_from(("gap", "flatten"))), st.floats(0, 1.5), st.sampled_from(("softmax", "uniform")))
def test_a_map_is_the_weighted_difference_of_maps(spec: Spec, alpha: float, weights: Any) -> None:
    """P11: a linear method needs no pass of its own for a contrast."""
    model, x = spec.build()
    spec = {"use": "contrast", "against": {"top": 2}, "alpha": alpha, "weights": weights}
    explanations = xaikit.explain(model, x, ["gradcam", "hirescam"], layers="features", target=spec)
    apart = xaikit.explain(model, x, list(explanations), layers="features", target={"use": "classes", "of": [0, 1, 2]})
    for name, one in explanations.items():
        maps = apart[name].maps["features"].flatten(2)
        rows = torch.arange(len(x))
        pinned: Any = one.target
        of_class = maps[rows, pinned.indices[:, 0]]
        references = maps[rows[:, None], pinned.references]
        expected = of_class - alpha * (pinned.shares[..., None] * references).sum(1)
        scale = maps.abs().amax()
        assert bool((one.maps["features"].flatten(1) - expected).abs().amax() <= 1e-12 * scale)


def test_alpha_zero_is_the_map_of_the_logit() -> None:
    model, x = Spec().build()

    def of(target: Any) -> Tensor:
        return xaikit.explain(model, x, "gradcam", layers="features", target=target)["gradcam"].maps["features"]

    assert distance(of({"use": "contrast", "against": {"top": 1}, "alpha": 0}), of("top1")) < 1e-12


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "expected against.top of at most 2 other classes, got 3"),
        ({"against": (3,)}, "expected a class index in 0 ... 2, got 3"),
        ({"against": (1,), "of": 1}, "expected a class to set class 1 against, got only itself"),
    ],
)
def test_what_does_not_fit_the_model_is_an_error(options: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Contrast(**options).pin(LOGITS[:, :3], None)
    assert str(caught.value) == f"target contrast: {message}"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"against": {"top": 0}}, "against: expected {top: k} with k of at least 1, got {'top': 0}"),
        ({"against": {"nearest": 3}}, "against: expected {top: k} with k of at least 1, got {'nearest': 3}"),
        ({"against": ()}, "against: expected class indices, each once, got []"),
        ({"against": (1, 1)}, "against: expected class indices, each once, got [1, 1]"),
        ({"alpha": -1.0}, "alpha: expected a number of at least 0, got -1.0"),
        ({"alpha": math.nan}, "alpha: expected a number of at least 0, got nan"),
        ({"weights": "equal"}, "weights: expected 'softmax', 'differentiated' or 'uniform', got 'equal'"),
    ],
)
def test_options_are_checked_when_they_are_given(options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=r"^(against|alpha|weights): ") as caught:
        Contrast(**options)
    assert str(caught.value) == message


def test_a_config_says_both_ways_of_against() -> None:
    registry = Registry()
    assert instantiate("target", Use("contrast", {"against": {"top": 2}}), registry) == Contrast(against={"top": 2})
    assert instantiate("target", Use("contrast", {"against": [4, 1]}), registry) == Contrast(against=(4, 1))
