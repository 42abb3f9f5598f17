"""The log of one sitting at a run: counts, times and failures, and the manifest that they go into."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from xaikit.errors import StoreError
from xaikit.runner.manifest import manifest_of
from xaikit.runner.missing import MissingEvidence
from xaikit.runner.prepare import PreparedRun
from xaikit.runner.shards import Receipt
from xaikit.store.rows import Failure
from xaikit.store.store import FAILED, Store


class RunLog:
    """Adds up receipts, and writes failures and manifest so that a run that is killed can be read as well."""

    def __init__(self, run: PreparedRun, store: Store, share: tuple[int, int] | None) -> None:
        self._run = run
        self._store = store
        self._name = FAILED if share is None else f"failed-{share[0]}-of-{share[1]}.jsonl"
        self._failures: list[Failure] = list(store.failures()) if share is None else []
        self._counts: Counter[str] = Counter()
        self._seconds: dict[str, float] = {}
        self._halved: list[str] = []
        self._began = time.perf_counter()
        self._before = store.manifest()

    def add(self, receipt: Receipt) -> None:
        """A shard was committed."""
        self._counts.update({**receipt.counts, "explained": receipt.photographs, "shards": 1})
        for step, seconds in receipt.seconds.items():
            self._seconds[step] = self._seconds.get(step, 0.0) + seconds
        if receipt.counts.get("halvings"):
            self._halved.append(receipt.part)
        bench = self._run.benches[receipt.shard.bench]
        tried = {bench.photographs[position].name for position in receipt.shard.positions}
        others = [each for each in self._failures if each.bench != bench.key or each.name not in tried]
        if receipt.failures or len(others) < len(self._failures):
            self._failures = [*others, *receipt.failures]
            self._store.write_failures(self._failures, self._name)

    def fail(self, failures: Sequence[Failure]) -> None:
        """Add what failed outside of a shard, where no shard has recorded it."""
        recorded = {(each.bench, each.name, each.evidence, each.error) for each in self._store.failures()}
        new = [each for each in failures if (each.bench, each.name, each.evidence, each.error) not in recorded]
        if new:
            self._failures = [*self._failures, *new]
            self._store.write_failures(self._failures, self._name)

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """A disk that takes no more ends the run, not what was finished."""
        try:
            yield
        except OSError as error:
            raise StoreError(
                f"{self._store.folder}: cannot be written to: {error}; {self._counts['shards']} shards of this sitting and all "
                "before are kept: make room and run the same command again"
            ) from error

    def begin(self, missing: Sequence[MissingEvidence]) -> None:
        """Write the manifest before the first map; failures of what is missing no more, or not planned, are forgotten."""
        lacking = {
            (bench.key, photograph.name): evidence
            for bench, each in zip(self._run.benches, missing, strict=True)
            for photograph, evidence in zip(bench.photographs, each.missing, strict=True)
        }

        def stands(failure: Failure) -> bool:
            evidence = lacking.get((failure.bench, failure.name), frozenset())
            return failure.evidence in evidence if failure.evidence else bool(evidence)

        self._failures = [failure for failure in self._failures if stands(failure)]
        self._store.write_failures(self._failures, self._name)
        if self._name == FAILED:
            self._store.forget_other_failures()
        self._write("running")

    def finish(self, stopped: str) -> None:
        """Write how it ended."""
        self._seconds["total"] = time.perf_counter() - self._began
        self._store.write_failures(self._failures, self._name)
        self._write(stopped)

    def _write(self, stopped: str) -> None:
        manifest = manifest_of(self._run, self._before, self._counts, self._seconds, stopped)
        counts: dict[str, float] = manifest["counts"]
        counts["failed"] = len({failure.name for failure in self._failures})
        manifest["halved"] = [*self._before.get("halved", ()), *self._halved]
        self._store.write_manifest(manifest)
