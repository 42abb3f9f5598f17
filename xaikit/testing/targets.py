"""The contract of a target.

It is checked on logits (4, 5). A target of another output offers one: a static method ``example_output(seed)`` of its
class, the output for four samples, float64, a tensor or a list of dicts of tensors, one a sample; another seed gives
other numbers of the same shapes. What is chosen on one must not be what would be chosen on the other.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from xaikit.errors import XaikitError
from xaikit.passes.nests import tensors_in
from xaikit.targets import count_of, is_spatial, layer_of, logits_of, needs_labels, plural_of, probabilities_of, rows_of
from xaikit.testing.checks import COMMON, CheckFailed, Work, expect, expect_close, for_each, instances, shown
from xaikit.testing.subjects import Subject

SAMPLES, CLASSES = 4, 5
LABELS = torch.tensor([1, 0, 4, 2])


def logits(seed: int = 0) -> Tensor:
    """(4, 5), normal numbers that differ."""
    return torch.randn(SAMPLES, CLASSES, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _output(target: Any, seed: int = 0) -> Any:
    """What its model returns, as far as the class tells."""
    return getattr(target, "example_output", logits)(seed)


def _pinned(subject: Subject) -> Iterator[tuple[Any, Any]]:
    return ((target, target.pin(_output(target), LABELS)) for target in subject.instances())


def _numbers(output: Any) -> list[Tensor]:
    """The tensors of an output that can be differentiated."""
    return [tensor for _, tensor in tensors_in(output) if tensor.is_floating_point()]


def _chosen(output: Any, index: Tensor) -> Any:
    return output[index] if isinstance(output, Tensor) else [output[row] for row in index.tolist()]


def _gradients(scores: Tensor, output: Any) -> tuple[Tensor, ...]:
    """Of a sum of scores, a tensor for each of the numbers of the output."""
    total, numbers = scores.sum(), _numbers(output)
    return torch.autograd.grad(total, numbers, retain_graph=True, allow_unused=True, materialize_grads=True)


def _with_graph(output: Any) -> Any:
    for tensor in _numbers(output):
        tensor.requires_grad_()
    return output


def declared_members_have_their_kind(target: Any, pinned: Any) -> None:
    """``count``, ``plural``, ``layer``, ``needs_labels`` of a target, ``spatial`` of a pinned one: numbers, truths, a name."""
    for member in (count_of, plural_of, layer_of, needs_labels):
        member(target)
    is_spatial(pinned)


def scores_have_a_row_a_sample(target: Any, pinned: Any) -> None:
    """(N, T), and as many columns as ``count`` and ``plural`` say."""
    shape = tuple(pinned.scores(_output(target)).shape)
    expect(len(shape) == 2 and shape[0] == SAMPLES, f"expected scores (N, T) = ({SAMPLES}, T), got {shape}")
    count, plural = count_of(target), plural_of(target)
    expect(count in (None, shape[1]), f"count: expected the {shape[1]} scores a sample that there are, got {count}")
    expect(pinned.plural or shape[1] == 1, f"plural: expected True for {shape[1]} scores, got False")
    expect(plural in (None, pinned.plural), f"plural: expected {pinned.plural} as when it is pinned, got {plural}")


def labels_are_declared(target: Any, pinned: Any) -> None:
    """A target without ``needs_labels`` is pinned alike where there are none."""
    if not needs_labels(target):
        scores = target.pin(_output(target), None).scores(_output(target))
        expect_close(scores, pinned.scores(_output(target)), 0.0, "without labels; needs_labels is not declared")


def probabilities_are_shares(target: Any, pinned: Any) -> None:
    """``probabilities(output)`` and ``logits(output)``, where they are there, are as many numbers as there are scores, the first
    between 0 and 1."""
    shape = tuple(pinned.scores(_output(target)).shape)
    for name, function in (("probabilities", probabilities_of(pinned)), ("logits", logits_of(pinned))):
        if function is not None:
            values = function(_output(target))
            expect(values.shape == shape, f"{name}: expected {shape}, got {tuple(values.shape)}")
            inside = name == "logits" or bool(((values >= 0) & (values <= 1)).all())
            expect(inside, f"{name}: expected numbers in [0, 1], got {shown(values)}")


def scores_are_differentiable(target: Any, pinned: Any) -> None:
    """A gradient reaches the output from every score."""
    output = _with_graph(_output(target))
    scores = pinned.scores(output)
    for row, column in itertools.product(*map(range, scores.shape)):
        reached = any(bool(gradient.any()) for gradient in _gradients(scores[row, column], output))
        expect(reached, f"score {column}: expected a gradient for every sample, got zeros")


def what_is_pinned_stays(target: Any, pinned: Any) -> None:
    """On another output the same is scored as on the clean one, and not what wins there."""
    clean, elsewhere = _read(pinned, _output(target)), _read(pinned, _output(target, 1))
    expect(
        torch.equal(clean, elsewhere),
        f"expected what is scored to be chosen once, on the clean pass: it read outputs {clean.nonzero().tolist()} "
        f"there and {elsewhere.nonzero().tolist()} of another output",
    )
    scores, again = (one.scores(_output(target)) for one in (pinned, target.pin(_output(target), LABELS)))
    expect_close(scores, again, 0.0, "the scores of the clean output afterwards")


def _read(pinned: Any, output: Any) -> Tensor:
    """Which numbers of an output its scores depend on."""
    gradients = _gradients(pinned.scores(_with_graph(output)), output)
    return gradients[0] != 0 if isinstance(output, Tensor) else torch.cat([one.flatten() for one in gradients]) != 0


def samples_are_scored_alone(target: Any, pinned: Any) -> None:
    """Another sample beside it changes no score."""
    whole = pinned.scores(_output(target))
    changed = _output(target)
    for tensor in _numbers(changed[:1]):  # a view of a tensor's first sample, or the first sample's tensors
        tensor.add_(3)
    expect_close(pinned.scores(changed)[1:], whole[1:], 0.0, "the scores of the other samples, one being changed")


def rows_are_the_chosen_samples(target: Any, pinned: Any) -> None:
    """``rows(index)``, where it is there, scores chosen samples as all are scored, and as often as they are chosen."""
    index = torch.tensor([2, 2, 0])
    if (rows := rows_of(pinned)) is not None:
        chosen, scores = rows(index), pinned.scores(_output(target))
        expect_close(
            chosen.scores(_chosen(_output(target), index)), scores[index], 0.0, "rows(index) and the rows of all"
        )
        has = probabilities_of(chosen) is not None
        expect(has == (probabilities_of(pinned) is not None), "rows: expected probabilities as of all samples")
        expect(is_spatial(chosen) == is_spatial(pinned), "rows: expected spatial to be as of all samples")


def nothing_is_changed(target: Any) -> None:
    """Neither the output nor the labels."""
    output, labels = _output(target), LABELS.clone()
    target.pin(output, labels).scores(output)
    same = all(map(torch.equal, _numbers(output), _numbers(_output(target))))
    expect(same and torch.equal(labels, LABELS), "expected the output to stay as it is")


def what_does_not_fit_is_refused(target: Any) -> None:
    """Another output than its own is refused with an error of xaikit's, or scored."""
    for output in (logits(), torch.zeros(SAMPLES, CLASSES, 3, 3), [{"boxes": torch.zeros(1, 4)}], None):
        try:
            target.pin(output, None)
        except XaikitError:
            continue
        except Exception as error:
            other = f"{type(error).__name__}: {error}"
            raise CheckFailed(f"of {type(output).__name__}: expected a ConfigError, got {other}") from error


CHECKS: tuple[Work, ...] = (
    *COMMON,
    *for_each(
        _pinned,
        declared_members_have_their_kind,
        scores_have_a_row_a_sample,
        scores_are_differentiable,
        what_is_pinned_stays,
        labels_are_declared,
        samples_are_scored_alone,
        rows_are_the_chosen_samples,
        probabilities_are_shares,
    ),
    *for_each(instances, nothing_is_changed, what_does_not_fit_is_refused),
)
