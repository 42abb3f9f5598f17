"""Gradients by a table of rules, from the graph that a pass has left."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import repeat
from typing import Generic, TypeVar

import torch
from torch import Tensor
from torch.autograd.graph import Node
from torch.utils.checkpoint import CheckpointError

from xaikit.backward.graph import Leading, ModuleCalls, in_order
from xaikit.backward.plan import Plan, planned
from xaikit.backward.rules import Gradients, Rule
from xaikit.errors import ConfigError
from xaikit.needs import Backward

Key = TypeVar("Key")
GradientsOf = Callable[[Tensor, Sequence[Tensor]], tuple[list[Tensor | None], int]]


_CHECKPOINTED = (
    "backward: expected blocks that keep what they compute, got one that is checkpointed, whose values are read but once; "
    "switch gradient checkpointing off, or take a method of ordinary gradients, such as gradcam or inputxgradient"
)


@dataclass
class RuledGradients(Generic[Key]):
    """What rules make of the scores at some points, by key.

    gradients  of every point in turn, (T, *point); None where the scores do not depend on it
    refused    keys whose rules do not serve this graph, and why; their gradients are None
    calls      gradient calls that it took
    """

    gradients: dict[Key, Iterator[Tensor | None]] = field(default_factory=dict)
    refused: dict[Key, ConfigError] = field(default_factory=dict)
    calls: int = 0


@dataclass
class _Shared(Generic[Key]):
    """Points that one backward serves."""

    plan: Plan
    points: dict[Key, Sequence[Tensor]]


def ruled_gradients(
    scores: Tensor,
    points: Mapping[Key, tuple[Backward, Sequence[Tensor]]],
    modules: ModuleCalls,
    gradients_of: GradientsOf,
) -> RuledGradients[Key]:
    """Of every column of scores (N, T) at the points of every key, by the rules that the key asks for.

    One backward serves all keys whose rules say the same of this graph, whatever else they say.

    Args:
        modules: that made the graph.
        gradients_of: takes gradients, see :func:`xaikit.passes.backprop.gradients_at`.
    """
    result, shared = RuledGradients[Key](), list[_Shared[Key]]()
    ordered = in_order(scores.grad_fn)
    if not ordered:
        return RuledGradients({key: repeat(None) for key in points})
    for key, (table, tensors) in points.items():
        try:
            plan = planned(table, ordered, tensors, modules)
        except ConfigError as error:
            result.refused[key] = error
            result.gradients[key] = repeat(None)
            continue
        one = next((one for one in shared if _agree(one.plan, plan)), None)
        if one is None:
            shared.append(_Shared(plan, {key: tensors}))
        else:
            one.plan |= plan
            one.points[key] = tensors
    for one in shared:
        tensors = [tensor for points in one.points.values() for tensor in points]
        try:
            with _ruled(one.plan):
                gradients, calls = gradients_of(scores, tensors)
        except CheckpointError:
            result.refused |= dict.fromkeys(one.points, ConfigError(_CHECKPOINTED))
            result.gradients |= {key: repeat(None) for key in one.points}
            continue
        result.calls += calls
        ahead = iter(gradients)
        for key, own in one.points.items():
            result.gradients[key] = iter([_at(ordered, scores, tensor, next(ahead)) for tensor in own])
    return result


def _agree(one: Plan, other: Plan) -> bool:
    """Whether two plans say the same of the nodes that both know."""
    return all(other[node] == rule for node, rule in one.items() if node in other)


def _at(ordered: Sequence[Node], scores: Tensor, point: Tensor, gradient: Tensor | None) -> Tensor | None:
    """Zeros where the rules alone let nothing through."""
    if gradient is not None or not Leading(ordered, [point]).operands(ordered[-1]):
        return gradient
    return point.new_zeros(scores.shape[1], *point.shape)


@contextmanager
def _ruled(plan: Plan) -> Iterator[None]:
    """The rules take the place of derivatives, for the length of the block."""
    with ExitStack() as stack:
        for node, rule in ((node, rule) for node, rule in plan.items() if rule is not None):
            stack.callback(node.register_hook(partial(_apply, node, rule)).remove)
        yield


def _apply(node: Node, rule: Rule, inner: Gradients, outer: Gradients) -> Gradients:
    if all(gradient is None for gradient in outer):
        return inner
    with torch.no_grad():
        return rule(node, inner, outer)
