"""``layers: auto``: the last tensor with a grid on the way to the score, found by looking at what flows.

The rule: walk the module calls of one forward backwards, in the order in which they completed, and take the first
whose output tensors *together* cut the score from the input in the autograd graph, with gradient at half of their
places and a tenth of their channels at least, and in more than one. Walking backwards, the outermost of several modules
that returned the same tensor comes first and gives its name. Names of layers, and the last convolution, say nothing: a
class-token transformer's last block has no gradient at its patches, a DenseNet pools what a functional ReLU made.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn

from xaikit.errors import LayerNotFound
from xaikit.evidence.conditions import undisturbed, unwrapped
from xaikit.evidence.forward import AUTO, WHOLE, Readout, WithLayers
from xaikit.evidence.hooks import hooked, named
from xaikit.evidence.pinned import pin, readout_of
from xaikit.evidence.reading import MapReader
from xaikit.evidence.taps import Tap
from xaikit.layouts import Arrangement
from xaikit.passes.modes import Mode
from xaikit.passes.nests import Path, copied, first_tensor, mapped, tensors_in
from xaikit.passes.weights import on_usable_weights
from xaikit.targets import Target, stated_for

PLACES, CHANNELS = 0.5, 0.1


_MIXING = re.compile(
    "conv|mm|linear|mean|sum|max|min|pool|norm|attention|lstm|gru|rnn|softmax|gather|index|custom", re.I
)
"""The nodes of the graph whose result is not their input number by number."""


T = TypeVar("T")

_Edge = tuple[Any, int]
_Score = Callable[[Any], Tensor]


@dataclass(frozen=True)
class Candidate:
    """One module call of the probe: what auto considered, and what it thought of it.

    tensors  the maps it returned, by their place in the output
    verdict  "chosen", or why not
    """

    name: str
    taps: tuple[Tap, ...]
    shapes: tuple[tuple[int, ...], ...]
    verdict: str


@dataclass(frozen=True)
class _Returned:
    """A tensor that a module returned: the way to it, its version then, and whether the module received it so."""

    path: Path
    tensor: Tensor
    version: int
    received: bool

    @property
    def edge(self) -> _Edge:
        return self.tensor.grad_fn, self.tensor.output_nr

    @property
    def at(self) -> Literal["output", "consumed"]:
        return "output" if self.tensor._version == self.version else "consumed"


@dataclass(frozen=True)
class _Probe:
    """One forward: the input as a leaf, what the calls returned in the order of their completion, by the name of the module,
    what scores are read from, and the score."""

    source: Tensor
    completed: list[tuple[str, list[_Returned]]]
    outputs: set[_Edge]
    score: Tensor


def of(
    model: nn.Module,
    inputs: Any,
    target: Target,
    labels: Tensor | None,
    output: str | int = AUTO,
    mode: Mode = "eval",
    input_layout: Arrangement | None = None,
) -> tuple[Tap, ...]:
    """:func:`find` for the first sample of a batch and its target; for all of it where the model takes several inputs, of
    which some may have no row a sample."""
    if len(list(tensors_in(inputs))) == 1:
        inputs, labels = first_sample(inputs), first_sample(labels)
        target = stated_for(target, torch.zeros(1, dtype=torch.long))

    def score(selected: Any) -> Tensor:
        return pin(target, selected, copied(labels)).scores(selected)

    readout = readout_of([target], output, mode)
    return find(unwrapped(model), inputs, score, readout, input_layout)


def first_sample(inputs: Any) -> Any:
    """The inputs cut to one sample."""
    return mapped(lambda tensor: tensor[:1], inputs)


def find(
    model: nn.Module, inputs: Any, score: _Score, readout: Readout = WHOLE, input_layout: Arrangement | None = None
) -> tuple[Tap, ...]:
    """The taps that ``auto`` means, one as a rule, several where only several streams together cut the score from the
    input.

    Args:
        inputs: one sample, or a batch of which the first is looked at.
        score: what is read of a forward to the scalar (or scalars, summed) to explain.
        input_layout: how the (first) input is arranged, where somebody says it.

    Raises:
        LayerNotFound: nothing qualifies, or the input cannot be differentiated; the last maps with gradient are named.
    """
    reader = MapReader(model, inputs, input_layout)
    return _probed(model, inputs, score, readout, lambda probe: _chosen(probe, reader))


def _chosen(probe: _Probe, reader: MapReader) -> tuple[Tap, ...]:
    considered = list(_walk(probe, reader))
    if considered and considered[-1].verdict == "chosen":
        return considered[-1].taps
    (gradient,) = torch.autograd.grad(probe.score, probe.source, allow_unused=True)
    if gradient is not None and not bool(gradient.any()):
        raise LayerNotFound(
            "layers: auto: the gradient of the score is zero everywhere for the first sample, as that of a unit that is 0 "
            "behind a ReLU, or of a similarity at its largest; name a layer"
        )
    maps = (pair for candidate in considered for pair in zip(candidate.taps, candidate.shapes, strict=True))
    last = ", ".join([f"{tap} {shape}" for tap, shape in maps][:5])
    raise LayerNotFound(
        "layers: auto found no map that the score depends on as a whole; "
        f"name a layer, such as one of: {last or 'none'}"
    )


def consider(
    model: nn.Module, inputs: Any, score: _Score, readout: Readout = WHOLE, input_layout: Arrangement | None = None
) -> list[Candidate]:
    """Every module call that returned a map, the last first, up to the one that is chosen."""
    reader = MapReader(model, inputs, input_layout)
    return _probed(model, inputs, score, readout, lambda probe: list(_walk(probe, reader)))


def _walk(probe: _Probe, reader: MapReader) -> Iterator[Candidate]:
    often = Counter(name for name, _ in probe.completed)
    for name, returned in reversed(probe.completed):
        maps = [one for one in returned if one.tensor.grad_fn is not None and reader.may_be_map(one.tensor.shape)]
        if maps:
            candidate = _judge(name, returned, maps, often[name], probe, reader)
            yield candidate
            if candidate.verdict == "chosen":
                return


def _probed(model: nn.Module, inputs: Any, score: _Score, readout: Readout, look: Callable[[_Probe], T]) -> T:
    """What is to be seen in the graph of one forward, which does not outlive it."""
    with undisturbed(model, readout.mode), torch.enable_grad():
        return on_usable_weights(model, lambda: look(_record(model, inputs, score, readout)))


def _record(model: nn.Module, inputs: Any, score: _Score, readout: Readout) -> _Probe:
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
    completed: list[tuple[str, list[_Returned]]] = []
    received: dict[str, list[tuple[int, int]]] = {}

    def enter(name: str, module: nn.Module, args: Any) -> None:
        received[name] = [(id(tensor), version) for _, tensor, version in _versioned(args)]

    def leave(name: str, module: nn.Module, args: Any, output: Any) -> None:
        completed.append(
            (name, [_Returned(*one, (id(one[1]), one[2]) in received[name]) for one in _versioned(output)])
        )

    with hooked(named(model), leave, enter):
        output = readout.run(model, inputs)
        total = score(output).sum()
    if not total.requires_grad:
        raise LayerNotFound(
            "layers: auto: the score does not depend on the input in a differentiable way; name a layer"
        )
    return _Probe(source, completed, _reshaped(output), total)


def _reshaped(output: Any) -> set[_Edge]:
    """What scores are read from, and all that it is a reshape, a resize or a bend of, number by number."""
    edges: set[_Edge] = set()
    parts = (output.output, dict(output.layers)) if isinstance(output, WithLayers) else output
    ahead: list[_Edge] = [(tensor.grad_fn, tensor.output_nr) for _, tensor in tensors_in(parts)]
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


def _judge(
    name: str, returned: list[_Returned], maps: list[_Returned], times: int, probe: _Probe, reader: MapReader
) -> Candidate:
    # all that the call returned stands in the way, also what is no map: a stream of pixels, a class token
    reached, open_way = _search(probe, {one.edge for one in returned})
    alive = [one for one in maps if one.edge in reached]
    verdict = _verdict(alive, times, open_way, probe)
    if not verdict:
        alive, verdict = _read(name, alive, probe, reader)
    taps = tuple(Tap(name, one.path, one.at) for one in alive)
    return Candidate(name, taps, tuple(tuple(one.tensor.shape) for one in alive), verdict)


def _verdict(alive: list[_Returned], times: int, open_way: bool, probe: _Probe) -> str:
    """Why these are not chosen, as far as can be told without knowing which axis is what."""
    if not alive:
        return "no gradient"
    if times > 1:
        return f"called {times} times"
    if all(returned.received for returned in alive):
        return "returns its input unchanged"
    if open_way:
        return "the score depends on the input past it"
    return "the score is read from it" if any(returned.edge in probe.outputs for returned in alive) else ""


def _read(name: str, alive: list[_Returned], probe: _Probe, reader: MapReader) -> tuple[list[_Returned], str]:
    """Those that are maps, and the verdict on them."""
    layouts = {one.path: reader.layout(name, one.path, one.tensor.shape) for one in alive}
    maps = [one for one in alive if layouts[one.path] is not None] or alive
    gradients = torch.autograd.grad(probe.score, [one.tensor for one in maps], retain_graph=True, allow_unused=True)
    for one, gradient in zip(maps, gradients, strict=True):
        layout = layouts[one.path]
        if gradient is None:
            return maps, "no gradient"
        if layout is None:
            return maps, "no map, or which of its axes is what cannot be told"
        if not _covered(layout.to_map(gradient)):
            return maps, "gradient at too few places or channels"
    return maps, "chosen"


def _covered(gradient: Tensor) -> bool:
    """(1, C, *S): gradient at half of the places, and in a tenth of the channels; in one of several it is a map of classes."""
    nonzero = gradient[0].flatten(1) != 0
    channels = nonzero.any(1)
    wide = len(channels) == 1 or (bool(channels.float().mean() >= CHANNELS) and bool(channels.sum() > 1))
    return bool(nonzero.any(0).float().mean() >= PLACES) and wide


def _search(probe: _Probe, walls: set[_Edge]) -> tuple[set[_Edge], bool]:
    """Walk the graph from the score: the walls that were met, and whether a way past all of them leads to the input."""
    visited: set[_Edge] = set()
    reached: set[_Edge] = set()
    open_way = False
    ahead: list[_Edge] = [(probe.score.grad_fn, probe.score.output_nr)]
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
