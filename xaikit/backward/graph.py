"""The graph behind scores: in which order, what leads to a layer, and which module made what."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node, get_gradient_edge

from xaikit.needs import Backward

Edge = tuple[Node, int]
"""A node, and the place of one of its operands."""


def in_order(start: Node | None) -> list[Node]:
    """Every node behind one, that one last: each comes after all that its operands were made by."""
    ordered: list[Node] = []
    visited: set[Node | None] = {None}
    ahead: list[tuple[Node | None, bool]] = [(start, False)]
    while ahead:
        node, done = ahead.pop()
        if done and node is not None:
            ordered.append(node)
        elif node is not None and node not in visited:
            visited.add(node)
            ahead.append((node, True))
            ahead.extend((parent, False) for parent, _ in node.next_functions)
    return ordered


class Leading:
    """Which edges of a graph lead to some tensors.

    Args:
        ordered: the nodes, see :func:`in_order`.
        cut: edges that lead nowhere.
    """

    def __init__(self, ordered: Sequence[Node], points: Sequence[Tensor], cut: Collection[Edge] = ()) -> None:
        self._ends = {(edge.node, edge.output_nr) for edge in map(get_gradient_edge, points)}
        self._operands: dict[Node, list[int]] = {}
        for node in ordered:
            operands = [
                place
                for place, (parent, number) in enumerate(node.next_functions)
                if (node, place) not in cut and parent is not None and self._leads(parent, number)
            ]
            if operands:
                self._operands[node] = operands

    def _leads(self, parent: Node, number: int) -> bool:
        return (parent, number) in self._ends or parent in self._operands

    def is_point(self, result: tuple[Node | None, int]) -> bool:
        """Whether a result of a node is one of the tensors."""
        return result in self._ends

    def operands(self, node: Node) -> list[int]:
        """The places of those operands of a node that depend on the tensors."""
        return self._operands.get(node, [])

    def behind(self, start: Node | None) -> Iterator[Node]:
        """The nodes on the ways from one to the tensors, each once."""
        visited, ahead = set[Node](), [start]
        while ahead:
            node = ahead.pop()
            if node is not None and node not in visited and node in self._operands:
                visited.add(node)
                yield node
                ahead.extend(node.next_functions[place][0] for place in self._operands[node])


@dataclass(frozen=True)
class ModuleCall:
    """One call of a module: its nodes are those numbered from ``start`` to before ``stop``.

    received  its one positional argument; None where there are others
    """

    name: str
    module: nn.Module
    start: int
    stop: int
    received: Tensor | None = None


@dataclass
class ModuleCalls:
    """Which module made a node: they are numbered as they are made.

    keep     kinds of modules whose inputs are held
    stop     the number that the first node behind the model has
    """

    keep: tuple[type[nn.Module], ...] = ()
    stop: int = 0
    _calls: list[ModuleCall] = field(default_factory=list)
    _inside: list[tuple[str, int]] = field(default_factory=list)

    def enter(self, name: str, module: nn.Module, args: Any) -> None:
        """A module is called."""
        self._inside.append((name, next_number()))

    def leave(self, name: str, module: nn.Module, args: Any, output: Any) -> None:
        """It has returned."""
        while self._inside:  # modules that raised are still on the list: those above it go with it
            entered, start = self._inside.pop()
            if entered == name:
                kept = len(args) == 1 and isinstance(module, self.keep) and isinstance(args[0], Tensor)
                received = args[0].detach().clone() if kept else None  # what comes may change it in place
                self._calls.append(ModuleCall(name, module, start, next_number(), received))
                return

    def end(self) -> None:
        """The model has returned: what nodes come are a target's."""
        self.stop = next_number()

    def of(self, node: Node) -> ModuleCall | None:
        """The call of the innermost module that made a node."""
        number = node._sequence_nr()
        for call in self._calls[bisect_right(self._calls, number, key=lambda one: one.stop) :]:
            if call.start <= number:
                return call
        return None

    def is_target(self, node: Node) -> bool:
        """Whether it was made behind the model, by what a target computes."""
        return node._sequence_nr() >= self.stop and bool(node.next_functions)


def module_calls(tables: Iterable[Backward]) -> ModuleCalls:
    """What the rules of some tables have to know of modules; the inputs of dense layers only where these have rules."""
    return ModuleCalls((nn.Linear,) if any(table.dense or table.first for table in tables) else ())


def next_number() -> int:
    """The number of the next node that this thread makes."""
    number: int = torch.autograd._get_sequence_nr()  # type: ignore[attr-defined]
    return number
