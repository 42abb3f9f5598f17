"""One forward for ``layers: auto``: what its module calls received and returned, in the graph of the score."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from xaikit.errors import LayerNotFound
from xaikit.evidence.forward import Readout, WithLayers
from xaikit.evidence.hooks import hooked, named
from xaikit.passes.nests import Path, first_tensor, mapped, tensors_in

_MIXING = re.compile(
    "conv|mm|linear|mean|sum|max|min|pool|norm|attention|lstm|gru|rnn|softmax|gather|index|custom", re.I
)
"""The nodes of the graph whose result is not their input number by number."""


Edge = tuple[Any, int]


def edge_of(tensor: Tensor) -> Edge:
    """Where a tensor lies in the graph."""
    return tensor.grad_fn, tensor.output_nr


@dataclass(frozen=True)
class ReturnedTensor:
    """A tensor that a module returned: the way to it, its version then, and whether the module received it so."""

    path: Path
    tensor: Tensor
    version: int
    received: bool

    @property
    def edge(self) -> Edge:
        return edge_of(self.tensor)

    @property
    def at(self) -> Literal["output", "consumed"]:
        return "output" if self.tensor._version == self.version else "consumed"


@dataclass(frozen=True)
class ScoreGraph:
    """One forward: the input as a leaf, what the calls returned in the order of their completion, by the name of the module,
    what scores are read from, and the score; and every list or mapping of several tensors that a call received as one argument,
    in the order of the calls."""

    source: Tensor
    completed: list[tuple[str, list[ReturnedTensor]]]
    outputs: set[Edge]
    score: Tensor
    lists: list[list[Tensor]]


def record(model: nn.Module, inputs: Any, score: Callable[[Any], Tensor], readout: Readout) -> ScoreGraph:
    """One forward with its graph.

    Raises:
        LayerNotFound: the input cannot be differentiated.
    """
    first = first_tensor(inputs)
    if not first.is_floating_point():
        pictures = "give transform='imagenet' or another, x.float() / 255 where the model takes that, or "
        way_out = (pictures if first.dtype == torch.uint8 else "") + "name a layer"
        raise LayerNotFound(
            f"layers: auto needs floating-point inputs to look at the graph, got {first.dtype}; {way_out}"
        )
    source = first.detach().clone().requires_grad_()
    # a child of the leaf takes the place of the first input: that one may be changed in place
    inputs = mapped(lambda tensor: (source if tensor is first else tensor.detach()).clone(), inputs)
    completed: list[tuple[str, list[ReturnedTensor]]] = []
    received: dict[str, list[tuple[int, int]]] = {}
    lists: list[list[Tensor]] = []

    def enter(name: str, module: nn.Module, args: Any) -> None:
        received[name] = [(id(tensor), version) for _, tensor, version in _versioned(args)]
        held = ([tensor for _, tensor, _ in _versioned(arg)] for arg in args if not isinstance(arg, Tensor))
        lists.extend(tensors for tensors in held if len(tensors) > 1)

    def leave(name: str, module: nn.Module, args: Any, output: Any) -> None:
        completed.append(
            (name, [ReturnedTensor(*one, (id(one[1]), one[2]) in received[name]) for one in _versioned(output)])
        )

    with hooked(named(model), leave, enter):
        output = readout.run(model, inputs)
        total = score(output).sum()
    if not total.requires_grad:
        raise LayerNotFound(
            "layers: auto: the score does not depend on the input in a differentiable way; name a layer"
        )
    return ScoreGraph(source, completed, _reshaped(output), total, lists)


def _reshaped(output: Any) -> set[Edge]:
    """What scores are read from, and all that it is a reshape, a resize or a bend of, number by number."""
    edges: set[Edge] = set()
    parts = (output.output, dict(output.layers)) if isinstance(output, WithLayers) else output
    ahead: list[Edge] = [(tensor.grad_fn, tensor.output_nr) for _, tensor in tensors_in(parts)]
    while ahead:
        edge = ahead.pop()
        if edge[0] is not None and edge not in edges:
            edges.add(edge)
            before = [one for one in edge[0].next_functions if one[0] is not None and not hasattr(one[0], "variable")]
            ahead.extend(before if len(before) == 1 and not _MIXING.search(edge[0].name()) else [])
    return edges


def _versioned(value: Any) -> Iterator[tuple[Path, Tensor, int]]:
    """The tensors of a nest with their versions; those of inference mode have none and no gradient either."""
    for path, tensor in tensors_in(value):
        if not tensor.is_inference():
            yield path, tensor, tensor._version


def search(probe: ScoreGraph, walls: set[Edge]) -> tuple[set[Edge], bool]:
    """Walk the graph from the score: the walls that were met, and whether a way past all of them leads to the input."""
    visited: set[Edge] = set()
    reached: set[Edge] = set()
    open_way = False
    ahead: list[Edge] = [(probe.score.grad_fn, probe.score.output_nr)]
    while ahead:
        edge = ahead.pop()
        if edge[0] is None or edge in visited:
            continue
        visited.add(edge)
        if edge in walls:
            reached.add(edge)
            continue
        open_way = open_way or getattr(edge[0], "variable", None) is probe.source
        ahead.extend(edge[0].next_functions)
    return reached, open_way
