"""Doing a shard: read, explain, store, draw. In this process or in another, the same files come of it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import cached_property, partial
from itertools import groupby, islice
from pathlib import Path
from typing import Any

from xaikit.bench.bench import Bench
from xaikit.bench.loader import Picture, UnreadablePicture
from xaikit.evaluation.shard import measures_table
from xaikit.finish import build_finish
from xaikit.passes.process import torch_threads
from xaikit.passes.tally import Tally
from xaikit.planning.benches import Benches, bench_cache
from xaikit.planning.judging import passes_of_judging
from xaikit.planning.shards import Job, Receipt, Shard
from xaikit.registry import Registry
from xaikit.report.overlays import drawing, write_overlays
from xaikit.report.recent import RecentOverlays
from xaikit.report.report import Report
from xaikit.runner.batches import BatchProgress
from xaikit.runner.bisection import PictureFailure, explain_pictures
from xaikit.runner.frames import save_pictures
from xaikit.runner.judging import Judging
from xaikit.runner.results import ShardResults
from xaikit.runner.stop import Stopping
from xaikit.runner.watch import Unwatched, Watcher
from xaikit.store.measures import commit_measures
from xaikit.store.rows import Failure
from xaikit.store.store import Store

Read = Iterable[Sequence[Picture | UnreadablePicture]]


class Worker:
    """Does the shards of a job, whose plan has been written to its folder.

    Args:
        benches: those that are open already.
        registry: what imported their plugins.
        stopping: says when to leave a shard between two batches.
        watcher: is told of every batch.
        recent: is handed what is drawn.

    Raises:
        StoreError: there is no plan in the folder.
    """

    def __init__(
        self,
        job: Job,
        benches: Benches | None = None,
        registry: Registry | None = None,
        stopping: Stopping | None = None,
        watcher: Watcher | None = None,
        recent: RecentOverlays | None = None,
    ) -> None:
        self.job = job
        self._stopping = stopping or Stopping(None)
        self._watcher = watcher or Unwatched()
        self._store = Store.open(job.folder)
        self._registry = registry or Registry()
        self._recent = recent
        self._benches = benches or bench_cache(job.config, job.groups, self._registry)

    def read(self, shards: Iterable[Shard]) -> Iterator[tuple[Shard, Read]]:
        """Every shard with its pictures, read ahead across the borders of shards of one bench."""
        for place, several in groupby(shards, key=lambda shard: shard.bench):
            opened, run = self._benches(place).opened, list(several)
            batches = opened.loader.batches(
                [opened.photographs[position] for position in batch] for shard in run for batch in shard.batches
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
        if shard.measures:
            return self._judge(shard, pictures)
        bench = self._benches(shard.bench)
        results, clock = ShardResults(bench, shard), _Clock()
        progress = BatchProgress(bench, self._watcher.progressed)
        if pictures is None:
            ((_, pictures),) = self.read([shard])
        with torch_threads(self.job.threads):
            for batch in clock.each("read", pictures):
                self._stopping.batch = len(batch)
                with clock("explain"), progress.batch(len(batch)):
                    _explain(bench, shard, batch, results, progress.tally)
                if self._stopping.by_signal:
                    break
        with clock("draw"):
            self._save_pictures(bench.opened.key, results.pictures.values())
        with clock("write"):
            part = results.commit(self._store)
        self._stopping.batch = 0
        with clock("draw"):
            # after a signal there is little time, and the next sitting draws what is missing
            draws = self.job.draws and not self._stopping.by_signal
            failures = self._draw(part) if draws else []
        return Receipt(
            shard, progress.done, part, (*results.failures, *failures), asdict(progress.tally), clock.seconds
        )

    def _judge(self, shard: Shard, pictures: Read | None) -> Receipt:
        """Judge the stored maps of a shard, and commit what was measured."""
        bench, judging = self._benches(shard.bench), self._judging
        evaluation, clock = judging.evaluation(bench, self.job.groups[shard.bench].metrics), _Clock()
        _, scores, explanations = passes_of_judging(bench, evaluation.metrics)
        progress = BatchProgress(bench, self._watcher.progressed, scores + explanations)
        results: list[Mapping[str, Any]] = []
        failures: list[Failure] = []
        if pictures is None:
            ((_, pictures),) = self.read([shard])
        with torch_threads(self.job.threads):
            for batch in clock.each("read", pictures):
                self._stopping.batch = len(batch)
                readable = [picture for picture in batch if isinstance(picture, Picture)]
                with clock("evaluate"), progress.batch(len(batch)):
                    for row in evaluation.batch(readable, shard.measures, progress.tally) if readable else ():
                        failures.append(row) if isinstance(row, Failure) else results.append(row)
                if self._stopping.by_signal:
                    break
        with clock("write"):
            table = measures_table(results)
            part = commit_measures(self._store.folder, bench.opened.key, shard.number, table) if results else ""
        self._stopping.batch = 0
        return Receipt(shard, progress.done, part, tuple(failures), asdict(progress.tally), clock.seconds)

    @cached_property
    def _judging(self) -> Judging:
        """The stored maps as they are when the first shard is judged: by then all are there."""
        return Judging(self._store, self._registry, self.job.config)

    def _draw(self, part: str) -> list[Failure]:
        return write_overlays(self._report, [part], style=self.job.config.report, recent=self._recent)

    def _save_pictures(self, bench: str, pictures: Iterable[Picture]) -> None:
        """Before the shard counts: later the photographs are not read again."""
        if not self.job.shows:
            return
        photographs = self._report.index.photographs[bench]
        with drawing() as draw:
            for picture in pictures:
                stem = photographs[picture.photograph.name].stem
                draw(partial(save_pictures, self._store.folder, stem, picture))

    @cached_property
    def _report(self) -> Report:
        return self.open_report()

    def open_report(self, stopped: str | None = None) -> Report:
        """What lies in the folder, finished by the plugins of the job's own config and no others."""
        base = Path(self.job.config.base)
        finishes = {id(each.trial.finish): each.trial.finish for group in self.job.groups for each in group.placed}
        for finish in finishes.values():
            build_finish(finish, self._registry, base)
        return Report(self.job.folder, base, registry=self._registry.without_paths(), stopped=stopped)


def _explain(
    bench: Bench, shard: Shard, batch: Sequence[Picture | UnreadablePicture], results: ShardResults, tally: Tally
) -> None:
    pictures = [picture for picture in batch if isinstance(picture, Picture)]
    for unreadable in batch:
        if isinstance(unreadable, UnreadablePicture):
            results.add_unreadable(unreadable)
    began = time.perf_counter()
    for result in explain_pictures(bench.opened, pictures, bench.requests(shard.evidence), tally):
        if isinstance(result, PictureFailure):
            results.add_failure(result)
        else:
            results.add(result, time.perf_counter() - began)
        began = time.perf_counter()


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
