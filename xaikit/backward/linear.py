"""Which linear layers of a graph have rules of their own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any, cast

from torch import Tensor, nn
from torch.autograd.graph import Node
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from xaikit.backward.graph import Leading, ModuleCall, ModuleCalls
from xaikit.backward.operations import BATCH_NORMALIZATIONS, MOVED, SHAPED, operation
from xaikit.backward.rules import Rule
from xaikit.backward.shares import OPERAND, LinearShare, PassedOn, is_added
from xaikit.errors import ConfigError
from xaikit.needs import Backward

_BIAS = {"Convolution": 2, "Addmm": 0}
"""The place of b among the operands."""

Consumers = Mapping[Node | None, list[Node]]


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
        call = _layer(node, alive, consumers, calls)
        moves = None if table.first is None else _moves(node, alive)
        if moves is not None and call is None:
            raise ConfigError(_refusal(node, calls))
        if call is None:
            continue
        inside = table.dense if isinstance(call.module, nn.Linear) else table.convolution
        rule = inside if moves is None else table.first
        if rule is not None:
            _check_received(call)
            behind = _normalization(node, consumers, calls)
            rules[node] = LinearShare(rule, moves, call, behind)
            if behind is not None:
                rules[behind[0]] = PassedOn()
    return rules


def _layer(node: Node, alive: Leading, consumers: Consumers, calls: ModuleCalls) -> ModuleCall | None:
    """The module that a node is the linear operation of, if its weight, bias and input are those that are known."""
    name = operation(node)
    if name not in OPERAND or alive.operands(node) != [OPERAND[name]]:
        return None
    call = calls.of(node)
    if call is None or not isinstance(call.module, _ConvNd if name == "Convolution" else nn.Linear):
        return None
    return call if _is_plain(call.module) or _is_known(node, call, consumers) else None


def _is_plain(module: nn.Module) -> bool:
    """Whether its forward is torch's, and no subclass's own."""
    forward: Any = getattr(module.forward, "__func__", None)  # none: somebody has put a function in its place
    return forward is not None and forward.__module__.startswith("torch.nn.modules.")


def _is_known(node: Any, call: ModuleCall, consumers: Consumers) -> bool:
    """Whether what a forward of its own multiplies is as in torch's: a convolution keeps its input and its weight, whatever they
    are, a product of matrices does not, and none keeps its bias."""
    name, weight = operation(node), cast("Tensor", call.module.weight)
    if not _is_biased(node, cast("Tensor | None", call.module.bias), consumers):
        return False
    if name == "Convolution":
        return True
    argument = node.next_functions[OPERAND[name]][0]
    while argument.next_functions and argument._sequence_nr() >= call.start:  # made inside the call
        if operation(argument) not in SHAPED:
            return False
        argument = argument.next_functions[0][0]
    return bool(node._saved_mat2.untyped_storage()._cdata == weight.untyped_storage()._cdata)


def _is_biased(node: Any, bias: Tensor | None, consumers: Consumers) -> bool:
    """Whether what is added to a product is the bias of its module, or is nothing and it has none."""
    name = operation(node)
    if name == "Convolution" and not is_added(node):
        return True
    if name in _BIAS:
        return bias is not None and _is_given(node, _BIAS[name], bias)
    if bias is None:
        return True
    adding = _behind(node, consumers, SHAPED)
    return adding is not None and operation(adding) == "Add" and _is_given(adding, 1, bias)


def _is_given(node: Node, place: int, value: Any) -> bool:
    """Whether an operand is a parameter; what takes no gradient leaves nothing there, and is taken for it."""
    given = node.next_functions[place][0]
    return given is None or getattr(given, "variable", None) is value


def _check_received(call: ModuleCall) -> None:
    """What a dense layer is given is held where it comes as its one argument. Raises ConfigError where it does not."""
    if isinstance(call.module, nn.Linear) and call.received is None:
        raise ConfigError(
            f"backward: expected a dense layer that is called with its input alone, got module {call.name} with an argument by "
            "name; write layer(x), or take other rules"
        )


def _moves(node: Node, alive: Leading) -> tuple[Node, ...] | None:
    """The nodes between one and the points where these are an operand, but for how they are arranged, the last first; none where
    nothing is put around them. None where they are no operand."""
    if operation(node) in MOVED:
        return None
    for place in alive.operands(node):
        edge, moves = node.next_functions[place], list[Node]()
        while edge[0] is not None and not alive.is_point(edge) and operation(edge[0]) in MOVED:
            moves.append(edge[0])
            edge = edge[0].next_functions[0]
        if alive.is_point(edge):
            return tuple(moves) if any(operation(move) == "ConstantPadNd" for move in moves) else ()
    return None


def _behind(node: Node, consumers: Consumers, through: Collection[str]) -> Node | None:
    """What alone is given the result of a node, as some operations hand it on; None where several are."""
    behind = node
    while behind is node or operation(behind) in through:
        if len(consumers[behind]) != 1:
            return None
        (behind,) = consumers[behind]
    return behind


def _normalization(node: Any, consumers: Consumers, calls: ModuleCalls) -> tuple[Node, ModuleCall] | None:
    """A batch normalization in evaluation that alone is given what a layer gives, and its module."""
    behind: Any = _behind(node, consumers, {"Clone"})  # as a tap between them hands on
    if behind is None or getattr(node, "_saved_transposed", False) or operation(behind) not in BATCH_NORMALIZATIONS:
        return None
    call = calls.of(behind)
    if behind._saved_training or call is None or not isinstance(call.module, _BatchNorm):
        return None
    return (behind, call) if _is_plain(call.module) or _is_given(behind, 2, call.module.bias) else None


def _refusal(node: Node, calls: ModuleCalls) -> str:
    call = calls.of(node)
    where = "what the model itself computes" if call is None else f"module {call.name}, {type(call.module).__name__}"
    return (
        f"backward: expected linear layers that are given the model's input, for which there is a rule of its own, got "
        f"{operation(node)} in {where}; take another layer, or other rules"
    )
