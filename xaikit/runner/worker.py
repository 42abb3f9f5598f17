"""Doing a shard: read, explain, keep, draw. In this process or in another, the same files come of it."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import islice
from pathlib import Path

import torch

from xaikit.bench.bench import Bench
from xaikit.bench.loader import Picture, UnreadablePicture
from xaikit.bench.resolve import resolve_bench
from xaikit.evidence.observe import Tally
from xaikit.registry import Registry
from xaikit.report import Index, OverlayWriter, StoredMaps, picture_name
from xaikit.runner.bisection import PictureFailure, explained
from xaikit.runner.results import ShardResults
from xaikit.runner.shards import Job, Receipt, Shard
from xaikit.store import Failure, Store, save_picture

OPENED = 4
"""Models that are held at once; the one that was asked for longest ago is opened again when its turn comes."""


Read = Iterable[Sequence[Picture | UnreadablePicture]]


class Worker:
    """Does the shards of a job, holding the models that it has opened."""

    def __init__(self, job: Job) -> None:
        self.job = job  # replaced by the driver once it knows the rest of the plan
        self._registry = Registry()
        self._opened: OrderedDict[int, Bench] = OrderedDict()

    def bench(self, index: int) -> Bench:
        """The bench of a group, opened where it is not."""
        if index not in self._opened:
            while len(self._opened) >= OPENED:
                self._opened.popitem(last=False)
            self._opened[index] = resolve_bench(self.job.config, self.job.groups[index], self._registry)
        self._opened.move_to_end(index)
        return self._opened[index]

    def read(self, shards: Iterable[Shard]) -> Iterator[tuple[Shard, Read]]:
        """Every shard with its pictures, read ahead across the borders of shards of one bench."""
        for index, run in _runs(shards):
            bench = self.bench(index)
            batches = bench.loader.batches(
                [bench.photographs[position] for position in batch] for shard in run for batch in shard.batches
            )
            for shard in run:
                yield shard, islice(batches, len(shard.batches))

    def explain(self, shard: Shard, pictures: Read | None = None) -> Receipt:
        """Do a shard and commit it.

        Args:
            pictures: its batches, where they have been read already.

        Raises:
            OSError: the disk does not take the files; nothing of the shard counts then.
        """
        bench = self.bench(shard.bench)
        store = Store.open(self.job.folder)
        if pictures is None:
            pictures = bench.loader.batches(
                [bench.photographs[position] for position in batch] for batch in shard.batches
            )
        clock, tally = _Clock(), Tally()
        gathered = ShardResults(bench, shard)
        with threads(self.job.threads):
            for batch in clock.each("read", pictures):
                with clock("explain"):
                    self._add(gathered, batch, tally)
        with clock("draw"):
            self._save_pictures(store, gathered)
        with clock("write"):
            store.commit(bench.key, shard.name, gathered.encoded, gathered.table())
        with clock("draw"):
            failures = self._write_overlays(f"shards/{bench.key}/{shard.name}.parquet")
        return Receipt(shard, len(shard.positions), (*gathered.failures, *failures), vars(tally), clock.seconds)

    def _add(self, gathered: ShardResults, batch: Sequence[Picture | UnreadablePicture], tally: Tally) -> None:
        for unread in batch:
            if isinstance(unread, UnreadablePicture):
                gathered.unread(unread)
        pictures = [picture for picture in batch if isinstance(picture, Picture)]
        began = time.perf_counter()
        for found in explained(gathered.bench, pictures, gathered.requests, tally):
            if isinstance(found, PictureFailure):
                gathered.fault(found)
            else:
                gathered.add(found, time.perf_counter() - began)
            began = time.perf_counter()

    def _save_pictures(self, store: Store, gathered: ShardResults) -> None:
        """Before the shard counts: later the photographs are not read again."""
        if self.job.config.report.overlays:
            for picture in gathered.pictures.values():
                stem = self.job.stems[gathered.shard.bench][picture.photograph.name]
                save_picture(store.folder, picture_name(stem), picture.seen)

    def _write_overlays(self, part: str) -> list[Failure]:
        return self._overlays.write([part]) if self.job.config.report.overlays else []

    @cached_property
    def _overlays(self) -> OverlayWriter:
        """Made once the plan has been written."""
        store = Store.open(self.job.folder)
        return OverlayWriter(Index(store), StoredMaps(store, Path(self.job.config.base)))


@contextmanager
def threads(count: int) -> Iterator[None]:
    """So many threads of torch, for a while: their number decides the last bits of a sum."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _Clock:
    """Seconds by step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[step] = self.seconds.get(step, 0.0) + time.perf_counter() - began

    def each(self, step: str, items: Read) -> Iterator[Sequence[Picture | UnreadablePicture]]:
        """The items, and how long one waited for them."""
        iterator = iter(items)
        while True:
            with self(step):
                item = next(iterator, None)
            if item is None:
                return
            yield item


def _runs(shards: Iterable[Shard]) -> Iterator[tuple[int, list[Shard]]]:
    """Shards of one bench that follow each other."""
    run: list[Shard] = []
    for shard in shards:
        if run and run[-1].bench != shard.bench:
            yield run[0].bench, run
            run = []
        run.append(shard)
    if run:
        yield run[0].bench, run
