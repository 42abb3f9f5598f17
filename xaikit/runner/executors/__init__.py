"""Who does the shards of a run: this process, or actors of a cluster. Both write the same files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from xaikit.planning.shards import Receipt, Shard, Stop
from xaikit.runner.worker import Worker


class Executor(Protocol):
    """The class behind a plugin of ``xaikit.executors``: a frozen dataclass whose fields are its options."""

    def thread_count(self) -> int:
        """Threads of torch that a shard is computed with; fixed in the plan, as they decide the last bits."""

    def execute(self, worker: Worker, shards: Sequence[Shard], stop: Stop) -> Iterator[Receipt]:
        """Do shards, each once, in about their order; give a receipt for each as it is committed.

        Args:
            worker: of this process, with the models that it has opened; ``worker.job`` makes another one elsewhere.
            stop: asked before every shard; where it says True, nothing further is begun.

        Raises:
            OSError: the folder of the run cannot be written to.
        """
