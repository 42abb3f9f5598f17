"""How far a batch is, also within a slow method: by the passes of the model that it has taken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from xaikit.bench.bench import Bench
from xaikit.bench.timing import further_passes
from xaikit.passes.chunks import rows_of_inputs
from xaikit.passes.tally import Tally

MOST = 0.95
"""What a batch seems to be at most before it has ended: how many passes it takes is an estimate."""


class BatchProgress:
    """The batches of a shard: what they cost, and how many photographs are done.

    Args:
        tell: is told so at every pass of the model.
        further: passes that each photograph takes beside the shared one, of one input each; those of explaining by default.
    """

    def __init__(self, bench: Bench, tell: Callable[[float], object], further: float | None = None) -> None:
        self.tally = _Told(self._passed)
        self.done = 0
        self._tell = tell
        self._size = 0
        self._begun = 0
        further = further_passes(bench) if further is None else further
        self._passes_of_one = 1 + further / rows_of_inputs(bench.probe.row)

    @contextmanager
    def batch(self, size: int) -> Iterator[None]:
        """One of so many photographs."""
        self._size, self._begun = size, self.tally.forwards
        yield
        self.done += size
        # the next batch takes what this one took
        self._passes_of_one = max(1, self.tally.forwards - self._begun) / max(size, 1)
        self._size = 0
        self._tell(self.done)

    def _passed(self) -> None:
        share = min(MOST, (self.tally.forwards - self._begun) / (self._passes_of_one * max(self._size, 1)))
        self._tell(self.done + share * self._size)


class _Told(Tally):
    """A tally that tells of every pass."""

    _passed: Callable[[], object]

    def __init__(self, passed: Callable[[], object]) -> None:
        object.__setattr__(self, "_passed", passed)
        super().__init__()

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name == "forwards" and value:
            self._passed()
