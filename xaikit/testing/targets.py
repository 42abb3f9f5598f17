"""The contract of a target."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from xaikit.errors import XaikitError
from xaikit.testing import common
from xaikit.testing.checks import expect, expect_close
from xaikit.testing.subjects import Subject

SAMPLES, CLASSES = 4, 5
LABELS = torch.tensor([1, 0, 4, 2])


def logits(seed: int = 0) -> Tensor:
    """(4, 5), normal numbers that differ."""
    return torch.randn(SAMPLES, CLASSES, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _pinned(subject: Subject) -> Iterator[tuple[Any, Any]]:
    for target in subject.instances():
        yield target, target.pin(logits(), LABELS)


def scores_have_a_row_a_sample(subject: Subject) -> None:
    """(N, T), and as many columns as ``count`` and ``plural`` say."""
    for target, pinned in _pinned(subject):
        scores = pinned.scores(logits())
        expect(
            scores.dim() == 2 and len(scores) == SAMPLES, f"expected scores (N, T) = (4, T), got {tuple(scores.shape)}"
        )
        count = getattr(target, "count", scores.shape[1])
        expect(
            count == scores.shape[1],
            f"count: expected the {scores.shape[1]} scores a sample that there are, got {count}",
        )
        expect(pinned.plural or scores.shape[1] == 1, f"plural: expected True for {scores.shape[1]} scores, got False")
        known = getattr(target, "plural", pinned.plural)
        expect(known == pinned.plural, f"plural: expected {pinned.plural} as when it is pinned, got {known}")


def scores_are_differentiable(subject: Subject) -> None:
    """A gradient reaches the output from every score."""
    for _, pinned in _pinned(subject):
        output = logits().requires_grad_()
        scores = pinned.scores(output)
        for column in range(scores.shape[1]):
            (gradient,) = torch.autograd.grad(scores[:, column].sum(), output, retain_graph=True)
            expect(bool(gradient.any(1).all()), f"score {column}: expected a gradient for every sample, got zeros")


def what_is_pinned_stays(subject: Subject) -> None:
    """On another output the same is scored as on the clean one, and not what wins there."""
    for target, pinned in _pinned(subject):
        clean, elsewhere = _read(pinned, logits()), _read(pinned, logits(seed=1))
        expect(
            torch.equal(clean, elsewhere),
            f"expected what is scored to be chosen once, on the clean pass: it read outputs {clean.nonzero().tolist()} "
            f"there and {elsewhere.nonzero().tolist()} of another output",
        )
        again = target.pin(logits(), LABELS)
        expect_close(pinned.scores(logits()), again.scores(logits()), 0.0, "the scores of the clean output afterwards")


def _read(pinned: Any, output: Tensor) -> Tensor:
    """Which numbers of an output its scores depend on."""
    output = output.requires_grad_()
    (gradient,) = torch.autograd.grad(pinned.scores(output).sum(), output)
    return gradient != 0


def samples_are_scored_alone(subject: Subject) -> None:
    """Another sample beside it changes no score, and ``rows`` gives the target of chosen samples."""
    for _, pinned in _pinned(subject):
        whole = pinned.scores(logits())
        changed = logits()
        changed[0] += 3
        expect_close(pinned.scores(changed)[1:], whole[1:], 0.0, "the scores of the other samples, one being changed")
        index = torch.tensor([2, 2, 0])
        if hasattr(pinned, "rows"):
            expect_close(
                pinned.rows(index).scores(logits()[index]), whole[index], 0.0, "rows(index) and the rows of all"
            )


def nothing_is_changed(subject: Subject) -> None:
    """Neither the output nor the labels."""
    for target in subject.instances():
        output, labels = logits(), LABELS.clone()
        target.pin(output, labels).scores(output)
        expect(torch.equal(output, logits()) and torch.equal(labels, LABELS), "expected the output to stay as it is")


def what_does_not_fit_is_refused(subject: Subject) -> None:
    """An output that is no tensor of logits is refused with an error of xaikit's, or scored."""
    for target in subject.instances():
        for output in (torch.zeros(SAMPLES, CLASSES, 3, 3), [{"boxes": torch.zeros(1, 4)}], None):
            try:
                target.pin(output, None)
            except XaikitError:
                continue
            except Exception as error:
                expect(
                    False, f"of {type(output).__name__}: expected a ConfigError, got {type(error).__name__}: {error}"
                )


CHECKS: tuple[Callable[[Subject], None], ...] = (
    *common.CHECKS,
    scores_have_a_row_a_sample,
    scores_are_differentiable,
    what_is_pinned_stays,
    samples_are_scored_alone,
    nothing_is_changed,
    what_does_not_fit_is_refused,
)
