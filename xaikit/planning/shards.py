"""Shards: what is computed and committed together, and what comes back from whoever did it. Plain data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Protocol, TypeVar

from xaikit.schema.sections import Config
from xaikit.store.rows import Failure
from xaikit.trials.placement import Group

T = TypeVar("T")


@dataclass(frozen=True)
class Shard:
    """Photographs of one bench that miss the same evidence, in the batches that the plan has fixed.

    bench     index of the group
    number    of the window of photographs that it belongs to
    batches   positions of photographs, a batch each
    evidence  what to compute, see :class:`xaikit.trials.trial.Trial`
    measures  of a shard that judges stored maps: evidence and metric
    """

    bench: int
    number: int
    batches: tuple[tuple[int, ...], ...]
    evidence: tuple[str, ...]
    measures: tuple[tuple[str, str], ...] = ()

    @property
    def positions(self) -> tuple[int, ...]:
        """Of its photographs."""
        return tuple(position for batch in self.batches for position in batch)

    def alone(self) -> list[Shard]:
        """The same work, a photograph at a time: to find the one that kills who computes it."""
        return [replace(self, batches=((position,),)) for position in self.positions]


@dataclass(frozen=True)
class Job:
    """What whoever does the shards of a run has to know; every part can be pickled.

    config   of the run, with the device that the plan has fixed
    groups   one a bench
    folder   of the run, a path or URL
    threads  of torch
    draws    whether pictures are drawn
    keys     of the benches in the store
    names    of the photographs of each bench, in the order of the plan
    """

    config: Config
    groups: tuple[Group, ...]
    folder: str
    threads: int
    draws: bool
    keys: tuple[str, ...]
    names: tuple[tuple[str, ...], ...]

    @property
    def shows(self) -> bool:
        """Whether photographs are saved as the model saw them: for overlays, for boxes, or for the page."""
        report = self.config.report
        return self.draws or report.boxes is not None or (report.page and report.overlays is not False)


@dataclass(frozen=True)
class Receipt:
    """A shard that has been done.

    photographs  that were tried, from the first one on: fewer than the shard has where a signal came
    part         what it was committed as, "" where nothing was
    failures     what could not be explained, photographs that could not be read among them
    counts       forwards, gradient calls and so on
    seconds      by step
    """

    shard: Shard
    photographs: int
    part: str = ""
    failures: tuple[Failure, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)


class Stop(Protocol):
    """Asked before every shard."""

    def __call__(self, shard: Shard) -> bool:
        """Whether this shard, and all behind it, is not to be begun any more."""


def cut(
    bench: int, missing: Sequence[frozenset[str]], *, batch_size: int, shard_size: int, order: Sequence[str]
) -> list[Shard]:
    """The shards of a bench.

    Args:
        missing: the evidence that each photograph misses, in the order of the plan.
        batch_size: photographs that go through the model together. Where a batch begins depends on the position alone, not on
            what is missing, so that a run that goes on computes the same batches.
        shard_size: photographs that are committed together, rounded up to whole batches.
        order: of the evidence.
    """
    shards: list[Shard] = []
    for number, batches, keys in _windows(missing, batch_size, shard_size):
        shards.append(Shard(bench, number, batches, tuple(key for key in order if key in keys)))
    return shards


def cut_measures(
    bench: int, missing: Sequence[frozenset[tuple[str, str]]], *, batch_size: int, shard_size: int
) -> list[Shard]:
    """The shards that judge the stored maps of a bench: ``missing`` is evidence and metric, by photograph."""
    windows = _windows(missing, batch_size, shard_size)
    return [Shard(bench, number, batches, (), tuple(sorted(keys))) for number, batches, keys in windows]


def _windows(
    missing: Sequence[frozenset[T]], batch_size: int, shard_size: int
) -> Iterator[tuple[int, tuple[tuple[int, ...], ...], frozenset[T]]]:
    """The number of each window of photographs, the batches of those that miss the same, and what that is."""
    window = -(-shard_size // batch_size) * batch_size
    for start in range(0, len(missing), window):
        positions = range(start, min(start + window, len(missing)))
        for keys in dict.fromkeys(missing[position] for position in positions if missing[position]):
            chosen = [position for position in positions if missing[position] == keys]
            batches = tuple(tuple(batch) for _, batch in groupby(chosen, key=lambda position: position // batch_size))
            yield start // window, batches, keys


def rounds(shards: Sequence[Shard], *, together: bool) -> list[Shard]:
    """The order of work: one bench after the other, or ``together``, window by window, so that wherever the work stops every
    bench has seen the same photographs."""
    return sorted(shards, key=lambda shard: (shard.number, shard.bench) if together else (shard.bench, shard.number))
