"""Gradients of several scores: batched or in a loop, the same numbers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import Function

from helpers.hard_nets import images, seeded
from xaikit.passes.backprop import gradients_at


def graph(tail: nn.Module, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """A leaf (2, 4, 6, 5) and the scores of three classes behind it."""
    leaf = images(2, 4, 6, 5, dtype=dtype).requires_grad_()
    return leaf, tail(leaf.clone())


def pooled() -> nn.Module:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.5), nn.Linear(4, 3))


def deep() -> nn.Module:
    return nn.Sequential(nn.Conv2d(4, 4, 3), nn.ReLU(), pooled())


@pytest.mark.parametrize(("tail", "calls"), [(pooled, 1), (deep, 3)])
def test_a_tail_of_pooling_and_linear_takes_one_call_another_one_a_target(tail: type, calls: int) -> None:
    for dtype in (torch.float32, torch.float64):
        leaf, scores = graph(seeded(tail, dtype), dtype)
        (gradient,), taken = gradients_at(scores, [leaf])
        assert taken == calls
        assert gradient is not None
        assert gradient.shape == (3, *leaf.shape)
        for column in range(3):
            leaf, scores = graph(seeded(tail, dtype), dtype)
            (alone,) = torch.autograd.grad(scores[:, column].sum(), leaf)
            assert bool(alone.any())
            assert torch.equal(gradient[column], alone)


class Unbatched(Function):
    @staticmethod
    def forward(ctx, x):  # type: ignore[no-untyped-def]
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):  # type: ignore[no-untyped-def]
        return gradient * (
            1 if gradient.abs().sum().item() >= 0 else 2
        )  # a number cannot be had of a batch of gradients


def test_an_operation_without_a_batching_rule_is_looped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xaikit.passes.backprop._is_trivial", lambda scores: True)
    head = seeded(pooled, torch.float32)
    leaf = images(2, 4, 6, 5, dtype=torch.float32).requires_grad_()
    (gradient,), taken = gradients_at(head(Unbatched.apply(leaf)), [leaf])
    (expected,), _ = gradients_at(head(leaf), [leaf])
    assert taken == 3
    assert torch.equal(gradient, expected)


def test_what_a_score_does_not_depend_on_has_no_gradient() -> None:
    beside = torch.ones(2, requires_grad=True)
    for classes in (3, 1):
        leaf, scores = graph(seeded(pooled, torch.float32))
        (gradient, none), _ = gradients_at(scores[:, :classes], [leaf, beside])
        assert gradient is not None
        assert none is None
    assert gradients_at(scores.detach(), [leaf]) == ([None], 0)


def test_one_score_is_one_call() -> None:
    leaf, scores = graph(seeded(deep, torch.float32))
    assert gradients_at(scores[:, :1], [leaf])[1] == 1
