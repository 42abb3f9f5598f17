"""Which linear layers of a graph have rules of their own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any

from torch import nn
from torch.autograd.graph import Node
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from xaikit.backward.graph import Leading, ModuleCall, ModuleCalls
from xaikit.backward.operations import BATCH_NORMALIZATIONS, MOVED, operation
from xaikit.backward.rules import Rule
from xaikit.backward.shares import OPERAND, LinearShare, PassedOn
from xaikit.errors import ConfigError
from xaikit.needs import Backward


def linear_rules(table: Backward, nodes: Collection[Node], alive: Leading, calls: ModuleCalls) -> dict[Node, Rule]:
    """The rules of linear layers, and of batch normalizations that are a part of one.

    Args:
        nodes: on the ways to the points.

    Raises:
        ConfigError: layers that are given the model's input have a rule, and something else is given it.
    """
    rules: dict[Node, Rule] = {}
    if not (table.dense or table.convolution or table.first):
        return rules
    consumers = defaultdict[Node | None, list[Node]](list)
    for node in nodes:
        for place in alive.operands(node):
            consumers[node.next_functions[place][0]].append(node)
    for node in nodes:
        call = _layer(node, alive, calls)
        padding = None if table.first is None else _padding(node, alive)
        if padding is not None and call is None:
            raise ConfigError(_refusal(node, calls))
        if call is None:
            continue
        inside = table.dense if isinstance(call.module, nn.Linear) else table.convolution
        rule = inside if padding is None else table.first
        if rule is not None:
            _check_received(call)
            behind = _normalization(node, consumers, calls)
            rules[node] = LinearShare(rule, padding, call, behind)
            if behind is not None:
                rules[behind[0]] = PassedOn()
    return rules


def _layer(node: Node, alive: Leading, calls: ModuleCalls) -> ModuleCall | None:
    """The module that a node is the linear operation of."""
    name = operation(node)
    if name not in OPERAND or alive.operands(node) != [OPERAND[name]]:
        return None
    call = calls.of(node)
    if call is None or not isinstance(call.module, _ConvNd if name == "Convolution" else nn.Linear):
        return None
    return call


def _check_received(call: ModuleCall) -> None:
    """What a dense layer is given is held where it comes as its one argument. Raises ConfigError where it does not."""
    if isinstance(call.module, nn.Linear) and call.received is None:
        raise ConfigError(
            f"backward: expected a dense layer that is called with its input alone, got module {call.name} with an argument by "
            "name; write layer(x), or take other rules"
        )


def _padding(node: Node, alive: Leading) -> tuple[int, ...] | None:
    """Of zeros around the points where these are an operand, but for how they are arranged; None where they are none."""
    if operation(node) in MOVED:
        return None
    for place in alive.operands(node):
        edge, padding = node.next_functions[place], tuple[int, ...]()
        while edge[0] is not None and not alive.is_point(edge) and operation(edge[0]) in MOVED:
            padding = tuple(map(int, getattr(edge[0], "_saved_pad", padding)))
            edge = edge[0].next_functions[0]
        if alive.is_point(edge):
            return padding
    return None


def _normalization(
    node: Any, consumers: Mapping[Node | None, list[Node]], calls: ModuleCalls
) -> tuple[Node, ModuleCall] | None:
    """A batch normalization in evaluation that alone is given what a layer gives, and its module."""
    behind: Any = node
    while behind is node or operation(behind) == "Clone":  # as a tap between them hands on
        if len(consumers[behind]) != 1:
            return None
        (behind,) = consumers[behind]
    if getattr(node, "_saved_transposed", False) or operation(behind) not in BATCH_NORMALIZATIONS:
        return None
    call = calls.of(behind)
    is_linear = not behind._saved_training and call is not None and isinstance(call.module, _BatchNorm)
    return (behind, call) if is_linear and call is not None else None


def _refusal(node: Node, calls: ModuleCalls) -> str:
    call = calls.of(node)
    where = "what the model itself computes" if call is None else f"module {call.name}, {type(call.module).__name__}"
    return (
        f"backward: expected linear layers that are given the model's input, for which there is a rule of its own, got "
        f"{operation(node)} in {where}; take another layer, or other rules"
    )
