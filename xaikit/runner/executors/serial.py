"""In this process, one shard after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from xaikit.hookspecs import hookimpl
from xaikit.planning.shards import Receipt, Shard, Stop
from xaikit.runner.worker import Worker
from xaikit.schema.scalars import Threads


@dataclass(frozen=True)
class Serial:
    """In this process, one shard after the other, while ``data.workers`` threads decode what comes next.

    threads  of torch; as many as it has by itself where none is given
    """

    threads: Threads | None = None

    def thread_count(self) -> int:
        """Threads of torch."""
        return self.threads or torch.get_num_threads()

    def execute(self, worker: Worker, shards: Sequence[Shard], stop: Stop) -> Iterator[Receipt]:
        """Do the shards in their order."""
        for shard, pictures in worker.read(shards):
            if stop(shard):
                return
            yield worker.explain(shard, pictures)


@hookimpl
def xaikit_executor() -> type:
    return Serial
