"""The gradients of all scores at all taps, from the one graph that a pass left."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import torch
from torch import Tensor

from xaikit._numeric import differentiate, nodes_behind

FEW_NODES = 24


_LINEAR = {
    *("AddmmBackward0", "MmBackward0", "TBackward0", "GatherBackward0", "CatBackward0", "CloneBackward0"),
    *("ViewBackward0", "UnsafeViewBackward0", "ReshapeAliasBackward0", "PermuteBackward0", "TransposeBackward0"),
    *("MeanBackward0", "MeanBackward1", "SumBackward0", "SumBackward1", "SelectBackward0", "SliceBackward0"),
    *("SqueezeBackward0", "SqueezeBackward1", "SqueezeBackward2", "UnsqueezeBackward0", "ExpandBackward0"),
    "torch::autograd::AccumulateGrad",
}


def gradients_at(
    scores: Tensor, points: Sequence[Tensor], create_graph: bool = False, keep: bool = False
) -> tuple[list[Tensor | None], int]:
    """Of every column of scores (N, T) at every point, (T, *point) each, None where the scores do not depend on it.

    Samples are independent, so the sum of a column will do. A loop over the retained graph on a CPU: exact, as fast as
    batched products and T times less memory; batched products on CUDA, and where the tail is pooling and linear.

    Args:
        create_graph: differentiate the gradients, too.
        keep: the graph, for further calls.

    Returns:
        The gradients, and how many gradient calls they took.
    """
    if not scores.requires_grad:
        return [None] * len(points), 0
    if create_graph:
        return _looped(scores, points, create_graph, keep=True), scores.shape[1]
    if scores.shape[1] > 1 and (scores.device.type == "cuda" or _is_trivial(scores)):
        try:
            return _batched(scores, points), 1
        except RuntimeError as error:  # an operation without a batching rule
            if isinstance(error, torch.OutOfMemoryError):
                raise
    return _looped(scores, points, keep=keep), scores.shape[1]


def _looped(scores: Tensor, points: Sequence[Tensor], create_graph: bool = False, *, keep: bool) -> list[Tensor | None]:
    last = scores.shape[1] - 1
    rows = [
        differentiate(
            scores[:, column].sum(),
            points,
            retain_graph=keep or column < last,
            create_graph=create_graph,
            allow_unused=True,
        )
        for column in range(scores.shape[1])
    ]
    return [_stacked(column) for column in zip(*rows, strict=True)]


def _stacked(rows: Sequence[Tensor | None]) -> Tensor | None:
    reached = [row for row in rows if row is not None]
    if len(reached) < len(rows):
        return None
    return reached[0].unsqueeze(0) if len(reached) == 1 else torch.stack(reached)


def _batched(scores: Tensor, points: Sequence[Tensor]) -> list[Tensor | None]:
    chosen = torch.eye(scores.shape[1], dtype=scores.dtype, device=scores.device)
    chosen = chosen.unsqueeze(1).expand(-1, len(scores), -1)
    # the graph is kept: if an operation has no batching rule, the loop goes over it again
    return list(differentiate(scores, points, chosen, retain_graph=True, is_grads_batched=True, allow_unused=True))


def _is_trivial(scores: Tensor) -> bool:
    """Whether only a few pooling, linear and shape operations lie between the first tap and the scores."""
    nodes = list(islice(nodes_behind(scores.grad_fn), FEW_NODES + 1))
    return len(nodes) <= FEW_NODES and all(node.name() in _LINEAR for node in nodes)
