"""``layers: auto``: the last tensor with a grid on the way to the score, found by looking at what flows.

The rule: walk the module calls of one forward backwards, in the order in which they completed, and take the first
whose output tensors *together* cut the score from the input in the autograd graph, with gradient at half of their
places and a tenth of their channels at least, and in more than one. Walking backwards, the outermost of several modules
that returned the same tensor comes first and gives its name. Names of layers, and the last convolution, say nothing: a
class-token transformer's last block has no gradient at its patches, a DenseNet pools what a functional ReLU made. Maps of
several sizes that a later module receives in one list, as a detector's head does, are taken together, all levels of them,
wherever on them the gradient is: of each detection it is at its own level.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from xaikit._numeric import differentiate
from xaikit.auto.graph import ReturnedTensor, ScoreGraph, record, search
from xaikit.auto.pyramid import pyramids
from xaikit.errors import LayerNotFound
from xaikit.evidence.conditions import undisturbed, unwrapped
from xaikit.evidence.forward import AUTO, WHOLE, Readout
from xaikit.evidence.pinned import pin, readout_of
from xaikit.evidence.reading import MapReader
from xaikit.evidence.taps import Tap
from xaikit.layouts import Arrangement
from xaikit.passes.modes import Mode
from xaikit.passes.nests import copied, mapped, tensors_in
from xaikit.passes.weights import on_usable_weights
from xaikit.targets import Target, stated_for

PLACES, CHANNELS = 0.5, 0.1


T = TypeVar("T")

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


def _chosen(probe: ScoreGraph, reader: MapReader) -> tuple[Tap, ...]:
    considered = list(_walk(probe, reader))
    if considered and considered[-1].verdict == "chosen":
        return considered[-1].taps
    (gradient,) = differentiate(probe.score, probe.source, allow_unused=True)
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


def _walk(probe: ScoreGraph, reader: MapReader) -> Iterator[Candidate]:
    often = Counter(name for name, _ in probe.completed)
    found = list(pyramids(probe, reader))
    for name, returned in reversed(probe.completed):
        maps = [one for one in returned if one.tensor.grad_fn is not None and reader.may_be_map(one.tensor.shape)]
        if maps:
            candidate = _judge(name, returned, maps, often[name], probe, reader)
            yield candidate
            if candidate.verdict == "chosen":
                return
        levels = next((each for each in found if name in each.calls), None)
        if levels is not None:
            taps, tensors = zip(*levels.levels, strict=True)
            yield Candidate(name, taps, tuple(tuple(tensor.shape) for tensor in tensors), "chosen")
            return


def _probed(model: nn.Module, inputs: Any, score: _Score, readout: Readout, look: Callable[[ScoreGraph], T]) -> T:
    """What is to be seen in the graph of one forward, which does not outlive it."""
    with undisturbed(model, readout.mode), torch.enable_grad():
        return on_usable_weights(model, lambda: look(record(model, inputs, score, readout)))


def _judge(
    name: str,
    returned: list[ReturnedTensor],
    maps: list[ReturnedTensor],
    times: int,
    probe: ScoreGraph,
    reader: MapReader,
) -> Candidate:
    # all that the call returned stands in the way, also what is no map: a stream of pixels, a class token
    reached, open_way = search(probe, {one.edge for one in returned})
    alive = [one for one in maps if one.edge in reached]
    verdict = _verdict(alive, times, open_way, probe)
    if not verdict:
        alive, verdict = _read(name, alive, probe, reader)
    taps = tuple(Tap(name, one.path, one.at) for one in alive)
    return Candidate(name, taps, tuple(tuple(one.tensor.shape) for one in alive), verdict)


def _verdict(alive: list[ReturnedTensor], times: int, open_way: bool, probe: ScoreGraph) -> str:
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


def _read(
    name: str, alive: list[ReturnedTensor], probe: ScoreGraph, reader: MapReader
) -> tuple[list[ReturnedTensor], str]:
    """Those that are maps, and the verdict on them."""
    layouts = {one.path: reader.layout(name, one.path, one.tensor.shape) for one in alive}
    maps = [one for one in alive if layouts[one.path] is not None] or alive
    gradients = differentiate(probe.score, [one.tensor for one in maps], retain_graph=True, allow_unused=True)
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
