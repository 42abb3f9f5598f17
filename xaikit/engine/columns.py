"""Explanations of one request for some targets at a time, where the gradients of all are too many for one pass, joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from xaikit.explanation import Explanation, RemarkCounts


def joined(shares: Sequence[Explanation], parts: bool) -> Explanation:
    """One explanation for the targets of all shares, in order.

    Args:
        parts: what stands on the axis of targets are parts that a method makes by itself: the same in every share.
    """
    first = shares[0]
    if len(shares) == 1 or parts:
        return first
    return replace(
        first,
        maps=_side_by_side([one.maps for one in shares]),
        finished=_side_by_side([one.finished for one in shares]),
        map=None if first.map is None else torch.cat([one.map for one in shares if one.map is not None], 1),
        scores=torch.cat([one.scores for one in shares], 1),
        # a method to which the target is nothing has said the same of every share
        noted=summed([note for one in shares for note in one.noted]) if first.targeted else first.noted,
        numbers={name: _side_by_side([one.numbers[name] for one in shares]) for name in first.numbers},
    )


def _side_by_side(by_layer: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    return {layer: torch.cat([one[layer] for one in by_layer], 1) for layer in by_layer[0]}


def summed(notes: Sequence[RemarkCounts]) -> tuple[RemarkCounts, ...]:
    """Each remark once, with the counts of all its like."""
    sums: dict[tuple[str, str], RemarkCounts] = {}
    for note in notes:
        before = sums.setdefault((note.layer, note.reason), note)
        if note.counted and before is not note:
            sums[note.layer, note.reason] = replace(note, counts=note.counts + before.counts)
    return tuple(sums.values())
