"""The score of the photograph as it is, which others are compared with."""

from __future__ import annotations

import torch
from torch import Tensor

from xaikit.metric import MetricView, Scored

TOLERANCE = 1e-6
"""Scores that differ by no more, as a share of that of the photograph itself, are equal: batches of another size round
otherwise."""


def clean(view: MetricView, scored: Scored) -> Tensor:
    """The score, (N, T); NaN with a reason where the target has none of that kind, or the photograph none at all."""
    score, nowhere = view.scored(scored), view.score.isnan()
    view.undefined("the score of the photograph itself is not a number", nowhere)
    view.undefined(f"the target has no {scored}: it is no class", score.isnan() & ~nowhere)
    return score


def divisor(view: MetricView, scored: Scored) -> Tensor:
    """The score, (N, T), of which shares are taken; NaN with a reason where it is not above 0."""
    score = clean(view, scored)
    view.undefined(f"the {scored} of the photograph itself is not above 0", score <= 0)
    return torch.where(score <= 0, torch.nan, score)


def margin(score: Tensor) -> Tensor:
    """By how much another score must differ from one, to be another."""
    return TOLERANCE * score.abs()
