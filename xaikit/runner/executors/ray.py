"""In actors of Ray, on this machine or a cluster (extra ``ray``)."""

from __future__ import annotations

import importlib.util
import logging
import math
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from xaikit.hookspecs import hookimpl
from xaikit.passes import allocator
from xaikit.planning.shards import Job, Receipt, Shard, Stop
from xaikit.runner.worker import Worker
from xaikit.schema.scalars import Threads
from xaikit.store.rows import Failure

ATTEMPTS = 3
"""A shard whose worker dies is tried twice more: once as it was, then a photograph at a time, so that one alone is lost."""


@dataclass(frozen=True)
class Ray:
    """In actors of Ray, each with an opened model, on this machine or on the cluster that ``RAY_ADDRESS`` names.

    workers   actors; one for each ``num_cpus`` cores of this machine by default
    num_cpus  that an actor reserves
    num_gpus  that an actor reserves; a fraction lets several share one
    threads   of torch in each actor; ``num_cpus`` by default
    """

    workers: int | None = None
    num_cpus: float = 1
    num_gpus: float = 0
    threads: Threads | None = None

    def __post_init__(self) -> None:
        if importlib.util.find_spec("ray") is None:
            raise ValueError("ray is not installed: pip install 'xaikit[ray]', or write executor: serial")

    def thread_count(self) -> int:
        """Threads of torch in each actor."""
        return self.threads or max(1, int(self.num_cpus))

    def execute(self, worker: Worker, shards: Sequence[Shard], stop: Stop) -> Iterator[Receipt]:
        """Do the shards, one at a time in every actor; an actor stays with its model as long as there is work for it."""
        import ray
        import ray.exceptions

        count = self.workers or max(1, int((os.cpu_count() or 1) / max(self.num_cpus, 1)))
        started = not ray.is_initialized()
        is_main = threading.current_thread() is threading.main_thread()
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM) if is_main}
        if started and os.environ.get("RAY_ADDRESS"):
            ray.init(log_to_driver=False)
        elif started:
            # room for as many workers as were asked for, on however small a machine
            cores = max(os.cpu_count() or 1, math.ceil(count * self.num_cpus))
            ray.init(num_cpus=cores, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        for number, handler in handlers.items():
            signal.signal(number, handler)  # Ray has put its own there
        try:
            yield from _Dispatch(ray, self, worker.job, list(shards), stop, count).receipts()
        finally:
            if started:
                ray.shutdown()


class _Actor:
    """What lives in a process of its own."""

    def __init__(self, job: Job, folder: str) -> None:
        allocator.settle()
        if os.path.isdir(folder):
            os.chdir(folder)  # paths of the config are relative to where the run was started
        self._worker = Worker(job)

    def explain(self, shard: Shard) -> Receipt:
        return self._worker.explain(shard)


@dataclass
class _Dispatch:
    """The loop that hands out shards, one in flight for each actor, so that who dies takes one shard along."""

    ray: Any
    options: Ray
    job: Job
    waiting: list[Shard]
    stop: Stop
    count: int
    attempts: dict[Shard, int] = field(default_factory=dict)
    flying: dict[Any, tuple[Any, Shard]] = field(default_factory=dict)
    benches: dict[Any, int] = field(default_factory=dict)

    def receipts(self) -> Iterator[Receipt]:
        """As they come in."""
        for _ in range(min(self.count, len(self.waiting))):
            self._give(self._actor())
        while self.flying:
            landed, _ = self.ray.wait(list(self.flying), num_returns=1)
            actor, shard = self.flying.pop(landed[0])
            try:
                yield self.ray.get(landed[0])
            except self.ray.exceptions.RayActorError as death:
                yield from self._dead(shard, death)
                actor = self._actor() if self.waiting else None
            except self.ray.exceptions.RayTaskError as error:
                raise error.cause if isinstance(getattr(error, "cause", None), Exception) else error from error
            if actor is not None:
                self._give(actor)

    def _actor(self) -> Any:
        remote = self.ray.remote(
            num_cpus=self.options.num_cpus, num_gpus=self.options.num_gpus, max_restarts=0, max_task_retries=0
        )(_Actor)
        return remote.remote(self.job, os.getcwd())

    def _give(self, actor: Any) -> None:
        """The next shard to an actor, if there is one and nobody has said stop."""
        if not self.waiting or self.stop(self.waiting[0]):
            self.waiting.clear()
            return
        # where the time is limited nobody runs ahead of the round, so that all models see the same photographs
        first, limited = self.waiting[0], self.job.config.budget is not None
        near = [shard for shard in self.waiting if not limited or shard.number == first.number]
        shard = next((shard for shard in near if shard.bench == self.benches.get(actor)), near[0])
        self.waiting.remove(shard)
        self.benches[actor] = shard.bench
        self.flying[actor.explain.remote(shard)] = actor, shard

    def _dead(self, shard: Shard, death: Exception) -> Iterator[Receipt]:
        """A worker died over a shard: it is tried again; what it has committed is the same once more."""
        tried = self.attempts.pop(shard, 0) + 1
        if tried >= ATTEMPTS:
            yield _quarantined(self.job, shard, death)
            return
        again = shard.alone() if tried == ATTEMPTS - 1 else [shard]
        self.attempts.update(dict.fromkeys(again, tried))
        self.waiting[:0] = again


def _quarantined(job: Job, shard: Shard, death: Exception) -> Receipt:
    """The photograph that killed whoever looked at it."""
    key, names = job.keys[shard.bench], job.names[shard.bench]
    message = f"its worker died {ATTEMPTS} times, the last time over this photograph alone: {type(death).__name__}"
    failures = [
        Failure(key, names[place], error=message, details=str(death), attempts=ATTEMPTS) for place in shard.positions
    ]
    return Receipt(shard, len(shard.positions), failures=tuple(failures))


@hookimpl
def xaikit_executor() -> type:
    return Ray
