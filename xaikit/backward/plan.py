"""Which rule each node of a graph gets under a table of rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor
from torch.autograd.graph import Node

from xaikit.backward.graph import Edge, Leading, ModuleCalls
from xaikit.backward.linear import linear_rules
from xaikit.backward.operations import (
    BOUNDED,
    HOMOGENEOUS,
    LINEAR,
    MATRICES,
    NONLINEAR_IN,
    POWERS,
    PRODUCTS,
    SCALES,
    SOFTMAX,
    is_attention,
    is_relu,
    operation,
)
from xaikit.backward.rules import ConstantScale, Gate, GatedHalf, PositiveGradients, Rule, Shares
from xaikit.errors import ConfigError
from xaikit.needs import Backward

Plan = dict[Node, Rule | None]
"""The rules of nodes; None: the derivative."""


def planned(table: Backward, ordered: Sequence[Node], points: Sequence[Tensor], calls: ModuleCalls) -> Plan:
    """The rules of the nodes between scores and some tensors.

    Args:
        ordered: the nodes behind the scores, see :func:`xaikit.backward.graph.in_order`.
        points: what relevance is taken at.

    Raises:
        ConfigError: there is no rule for an operation; it and its module are named.
    """
    if table.relu is not None:
        return _of_relus(table.relu == "positive", Leading(ordered, points).behind(ordered[-1]), calls)
    nodes = [node for node in ordered if not calls.is_target(node)]
    planning = _Planning(table, calls, Leading(ordered, points))
    alive = Leading(ordered, points, {edge for node in nodes for edge in planning.constants(node)})
    plan: Plan = {node: planning.rule(node, alive.operands(node)) for node in alive.behind(ordered[-1])}
    if not plan:
        return {ordered[-1]: Shares(_ones(ordered[-1], ()))}
    return plan | linear_rules(table, plan, alive, calls)


def _of_relus(everywhere: bool, nodes: Iterable[Node], calls: ModuleCalls) -> Plan:
    """Every ReLU of the model lets positive gradients through; all else has its derivative."""
    rule = PositiveGradients(everywhere)
    plan: Plan = {node: rule if is_relu(node) and not calls.is_target(node) else None for node in nodes}
    if not any(plan.values()):
        raise ConfigError(
            "backward: expected ReLUs between the layer and the score, whose gradients the method changes, got none; take "
            "gradient or inputxgradient, which read the ordinary ones"
        )
    return plan


@dataclass
class _Planning:
    """What a table says of the nodes of one graph.

    leading  to the points, whatever the rules
    """

    table: Backward
    calls: ModuleCalls
    leading: Leading

    def constants(self, node: Node) -> Iterator[Edge]:
        """Those operands of a node that are taken for a constant."""
        name, operands = operation(node), self.leading.operands(node)
        if is_attention(name) and self.table.attention == "constant":
            yield from ((node, place) for place in operands if place != _VALUES)
        elif name == "Div" and 1 in operands:
            yield node, 1
        elif name == "Bmm" and len(operands) == 1 and self._end(node, operands[0]) in SOFTMAX & self._weights:
            yield node, operands[0]  # of values that do not depend on the points
        elif name in PRODUCTS and set(PRODUCTS[name]) <= set(operands):
            # one of them alone: what the other side does has to go on
            weights = [(node, place) for place in PRODUCTS[name] if self._end(node, place) in self._weights]
            gates = [(node, place) for place in PRODUCTS[name] if self._end(node, place) in self._gates]
            yield from (weights or gates)[:1]

    @cached_property
    def _weights(self) -> set[str]:
        """Operations whose result is a constant that something is multiplied by."""
        softmax = SOFTMAX if self.table.attention == "constant" else set()
        return SCALES | softmax | (BOUNDED if self.table.activation == "gate" else set())

    @cached_property
    def _gates(self) -> set[str]:
        """Those whose result is one where the other side has none."""
        return set(Gate.FUNCTIONS) if self.table.product == "gate" else set()

    def _end(self, node: Node, place: int) -> str:
        """The first operation that is not linear on the one way from an operand to the points; empty where ways part."""
        ahead: Any = node.next_functions[place][0]
        while ahead is not None:
            operands = self.leading.operands(ahead)
            if len(operands) != 1:
                return ""
            name = operation(ahead)
            if not LINEAR.fullmatch(name):
                # of a number: an exponent that is a tensor is of several, and to read it may compute it again
                return "Rsqrt" if ahead.name() == "PowBackward0" and ahead._saved_exponent < 0 else name
            ahead = ahead.next_functions[operands[0]][0]
        return ""

    def rule(self, node: Node, operands: Sequence[int]) -> Rule | None:
        """The rule of a node, some operands of which depend on the points; None for its derivative.

        Raises:
            ConfigError: there is none.
        """
        name = operation(node)
        blocked = Shares(_ones(node, operands)) if len(operands) < len(self.leading.operands(node)) else None
        if self.calls.is_target(node):
            return blocked
        if is_attention(name):
            return Shares(_halved(node, operands))
        if name in PRODUCTS and set(PRODUCTS[name]) <= set(operands):
            return self._product(node, name)
        if ConstantScale.serves(node, name) and 1 not in operands:  # of a weight that depends on nothing
            return ConstantScale()
        if self.table.activation == "gate" and Gate.serves(node, name):
            return Gate()
        if name == "Glu" and self.table.activation == "gate":
            return GatedHalf()
        if LINEAR.fullmatch(name) or HOMOGENEOUS.fullmatch(name) or self._has_derivative(name):
            if NONLINEAR_IN.get(name) in operands:
                raise self._refusal(
                    node, f"{name}, whose {'weight' if name == 'Lerp' else 'grid'} depends on the layer,"
                )
            return blocked
        if name in Gate.FUNCTIONS:
            raise self._refusal(
                node, f"{name} in place, which keeps nothing of what it was given (inplace=False does),"
            )
        raise self._refusal(node, name)

    def _has_derivative(self, name: str) -> bool:
        if name in SOFTMAX:
            return self.table.attention == "split"
        return self.table.activation == "derivative" and name in BOUNDED | Gate.FUNCTIONS.keys() | POWERS | {"Glu"}

    def _product(self, node: Node, name: str) -> Rule | None:
        sides = PRODUCTS[name]
        if self.table.activation == "derivative" and any(self._end(node, place) in BOUNDED for place in sides):
            return None  # an activation function that is written out
        if self.table.product == "half" or (self.table.attention == "split" and name in MATRICES):
            return Shares(tuple(0.5 if place in sides else 1.0 for place in range(len(node.next_functions))))
        raise self._refusal(node, f"{name}, a product of two values that depend on the layer,")

    def _refusal(self, node: Node, what: str) -> ConfigError:
        call = self.calls.of(node)
        where = (
            "what the model itself computes" if call is None else f"module {call.name}, {type(call.module).__name__}"
        )
        return ConfigError(
            f"backward: expected operations that the method has a rule for, got {what} in {where}; take a layer behind it, or a "
            "method of ordinary gradients, such as gradcam or inputxgradient"
        )


_VALUES = 2
"""The place of the values among the operands of attention as one operation."""


def _ones(node: Node, operands: Sequence[int]) -> tuple[float, ...]:
    return tuple(float(place in operands) for place in range(len(node.next_functions)))


def _halved(node: Node, operands: Sequence[int]) -> tuple[float, ...]:
    """Of attention: half to the values and half to the softmax, of which queries and keys have half each; what is a constant has
    no half."""
    values, logits = _VALUES in operands, [place for place in operands if place != _VALUES]
    factors = list(_ones(node, operands))
    if values and logits:
        factors = [factor / 2 for factor in factors]
    if {0, 1} <= set(operands):
        factors[:2] = [factor / 2 for factor in factors[:2]]
    return tuple(factors)
