"""The log of one sitting at a run: counts, times and failures, written down at every shard."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import cached_property
from typing import Any

from xaikit.errors import StoreError
from xaikit.planning.missing import MissingEvidence
from xaikit.planning.shards import Receipt, Shard
from xaikit.runner.manifest import manifest_of
from xaikit.runner.prepare import PreparedRun
from xaikit.store.lease import Lease
from xaikit.store.rows import Failure
from xaikit.store.sittings import RUNNING, write_sitting
from xaikit.store.store import FAILED, Store


class RunLog:
    """Adds up receipts, and writes failures and the sitting so that a run that is killed can be read as well."""

    def __init__(self, run: PreparedRun, store: Store, lease: Lease) -> None:
        self._run = run
        self._store = store
        self._lease = lease
        share = lease.holder.share
        self._name = f"failed-{share.replace('/', '-of-')}.jsonl" if share else FAILED
        self._failures: list[Failure] = [] if share else list(store.failures())
        self._counts: Counter[str] = Counter()
        self._seconds: dict[str, float] = {}
        self._halved: list[str] = []
        self._began, self._clock = time.time(), time.perf_counter()
        self._begun: dict[Shard, None] = {}

    def begin_shard(self, shard: Shard) -> None:
        """A shard is begun: where it ends this process, the next one knows which it was."""
        self._begun[shard] = None
        self._write(RUNNING)

    def add(self, receipt: Receipt) -> None:
        """A shard was committed. Raises StoreError where somebody else has taken over meanwhile."""
        self._lease.check()
        self._begun.pop(receipt.shard, None)
        done = "judged" if receipt.shard.measures else "explained"
        self._counts.update({**receipt.counts, done: receipt.photographs, "shards": 1})
        for step, seconds in receipt.seconds.items():
            self._seconds[step] = self._seconds.get(step, 0.0) + seconds
        if receipt.counts.get("halvings"):
            self._halved.append(receipt.part)
        bench = self._run.benches[receipt.shard.bench]
        tried = {bench.photographs[position].name for position in receipt.shard.positions[: receipt.photographs]}
        judged = bool(receipt.shard.measures)
        others = [
            each
            for each in self._failures
            if each.bench != bench.key or each.name not in tried or bool(each.metric) != judged
        ]
        if receipt.failures or len(others) < len(self._failures):
            self._failures = [*others, *receipt.failures]
            self._store.write_failures(self._failures, self._name)
        self._write(RUNNING)

    def fail(self, failures: Sequence[Failure]) -> None:
        """Add what failed outside of a shard, where no shard has recorded it."""
        recorded = {(each.bench, each.name, each.evidence, each.error) for each in self._store.failures()}
        new = [each for each in failures if (each.bench, each.name, each.evidence, each.error) not in recorded]
        if new:
            self._failures = [*self._failures, *new]
            self._store.write_failures(self._failures, self._name)

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """What ends the run early costs nothing that was finished; the sitting says what it was."""
        try:
            yield
        except BaseException as error:
            with suppress(OSError):
                self._write(f"{type(error).__name__}: {error}".rstrip(": "))
            if not isinstance(error, OSError) or isinstance(error, BrokenPipeError):
                raise
            raise StoreError(
                f"{self._store.folder}: cannot be written to: {error}; {self._counts['shards']} shards of this sitting and all "
                "before are kept: make room and run the same command again"
            ) from error

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Count the seconds of something that no shard has done."""
        began = time.perf_counter()
        yield
        self._seconds[step] = self._seconds.get(step, 0.0) + time.perf_counter() - began

    def begin(self, missing: Sequence[MissingEvidence]) -> None:
        """Write the manifest before the first map; failures of what is missing no more, or not planned, are forgotten."""
        lacking = {
            (bench.key, photograph.name): evidence
            for bench, each in zip(self._run.benches, missing, strict=True)
            for photograph, evidence in zip(bench.photographs, each.missing, strict=True)
        }

        def stands(failure: Failure) -> bool:
            if failure.metric:  # what is to be judged is known when all maps are there
                return False
            evidence = lacking.get((failure.bench, failure.name), frozenset())
            return failure.evidence in evidence if failure.evidence else bool(evidence)

        self._failures = [failure for failure in self._failures if stands(failure)]
        self._store.write_failures(self._failures, self._name)
        if self._name == FAILED:
            self._store.forget_other_failures()
        self._write(RUNNING, durable=True)
        self._store.write_manifest(manifest_of(self._run))

    def finish(self, stopped: str) -> None:
        """Write how it ended: why early, "" where it did not."""
        self._store.write_failures(self._failures, self._name)
        self._write(stopped, durable=True)
        # complete for who reads the file alone
        self._store.write_manifest(self._store.manifest())

    @cached_property
    def _sitting(self) -> dict[str, Any]:
        """What it is from its start on."""
        holder = self._lease.holder
        about = {name: getattr(holder, name) for name in ("token", "share", "work", "host", "pid")}
        taken_over = [asdict(each) for each in self._lease.taken_over]
        return {**about, "began": self._began, "taken_over": taken_over}

    def _write(self, stopped: str, *, durable: bool = False) -> None:
        sitting = {
            **self._sitting,
            "stopped": stopped,
            "counts": dict(self._counts),
            "seconds": {**self._seconds, "total": time.perf_counter() - self._clock},
            "halved": self._halved,
            "begun": [self._photographs(shard) for shard in self._begun],
        }
        write_sitting(self._store.folder, sitting, durable=durable)

    def _photographs(self, shard: Shard) -> dict[str, Any]:
        """Those of a shard, and their bench."""
        bench = self._run.benches[shard.bench]
        return {"bench": bench.key, "names": [bench.photographs[position].name for position in shard.positions]}
