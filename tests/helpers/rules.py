"""Gradients by rules, taken of a model without the engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from xaikit import Backward
from xaikit.backward.gradients import ruled_gradients
from xaikit.backward.graph import ModuleCalls
from xaikit.evidence.hooks import hooked, named
from xaikit.passes.backprop import gradients_at

ADDED = ("bias", "token", "pos_embed", "position_embedding", "pos_embedding", "class_embedding")
NO_ADDEND = ("relative", "rel_pos", "cpb")


def addends(model: nn.Module) -> Iterator[Tensor]:
    """The parameters that a model adds to what it computes: biases, tokens and positions. Those of zero are made others."""
    for name, value in model.named_parameters():
        if any(part in name for part in ADDED) and not any(part in name for part in NO_ADDEND):
            if not value.any():
                nn.init.normal_(value, std=0.1)
            yield value


def ruled(
    table: Backward, model: nn.Module, inputs: Tensor, points: Sequence[Tensor], read: Callable[[Any], Tensor]
) -> tuple[Tensor, list[Tensor | None]]:
    """The scores of a model, and their gradients at some points by a table of rules.

    Raises:
        ConfigError: the rules do not serve the model.
    """
    calls = ModuleCalls(keep=(nn.Module,))
    with hooked(named(model), calls.leave, calls.enter):
        output = model(inputs)
        calls.end()
    scores = read(output)
    taken = ruled_gradients(scores, {"points": (table, points)}, calls, partial(gradients_at, keep=True))
    if taken.refused:
        raise taken.refused["points"]
    ahead = taken.gradients["points"]
    gradients = [next(ahead) for _ in points]
    return scores.detach(), [None if one is None else one[0] for one in gradients]


def balance(
    table: Backward, model: nn.Module, inputs: Tensor, read: Callable[[Any], Tensor] = lambda output: output[:, 1:2]
) -> tuple[float, float]:
    """What the input and all that is added contribute to a score, and that score."""
    leaf = inputs.clone().requires_grad_()
    points = [leaf, *addends(model)]
    scores, gradients = ruled(table, model, leaf, points, read)
    parts = [(point * one).sum() for point, one in zip(points, gradients, strict=True) if one is not None]
    return float(torch.stack(parts).sum().detach()), float(scores.sum())
