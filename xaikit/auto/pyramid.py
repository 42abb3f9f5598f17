"""Maps of several sizes that a module receives together, as the head of a detector does from its feature pyramid."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from xaikit.auto.graph import Edge, ReturnedTensor, ScoreGraph, edge_of, search
from xaikit.evidence.reading import MapReader
from xaikit.evidence.taps import Tap


@dataclass(frozen=True)
class Pyramid:
    """The levels that together cut the score from the input, each as the tap of the call that returned it."""

    levels: tuple[tuple[Tap, Tensor], ...]

    @property
    def calls(self) -> frozenset[str]:
        """The names of the modules that returned them."""
        return frozenset(tap.name for tap, _ in self.levels)


def pyramids(probe: ScoreGraph, reader: MapReader) -> Iterator[Pyramid]:
    """Those of the latest calls first.

    A detection is scored from a few places of one level, whichever that is for the photograph at hand: neither does one level
    alone cut its score from the input, nor has any of them gradient at many places.
    """
    homes = _homes(probe)
    for tensors in reversed(probe.lists):
        maps = [tensor for tensor in tensors if tensor.grad_fn is not None and reader.may_be_map(tensor.shape)]
        if len({tuple(tensor.shape[2:]) for tensor in maps}) > 1:
            reached, open_way = search(probe, set(map(edge_of, tensors)))
            alive = [tensor for tensor in maps if edge_of(tensor) in reached and edge_of(tensor) in homes]
            if not open_way and len(alive) > 1:
                yield Pyramid(tuple((homes[edge_of(tensor)], tensor) for tensor in alive))


def _homes(probe: ScoreGraph) -> dict[Edge, Tap]:
    """The outermost call that returned a tensor, as a tap; not of modules that ran several times."""
    homes: dict[Edge, Tap] = {}
    often: dict[str, int] = {}
    for name, _ in probe.completed:
        often[name] = often.get(name, 0) + 1
    for name, returned in probe.completed:
        homes |= {one.edge: _tap(name, one) for one in returned if often[name] == 1 and not one.received}
    return homes


def _tap(name: str, returned: ReturnedTensor) -> Tap:
    return Tap(name, returned.path, returned.at)
