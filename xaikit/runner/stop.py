"""Ending a run between two shards: on Ctrl-C, or when its budget of time is spent."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType
from typing import Any

from xaikit.runner.shards import Shard

INTERRUPTED, SPENT = "interrupted", "the budget is spent"


class Stopping:
    """A context that holds up the first Ctrl-C until the current shard is committed; the second one gets through.

    Args:
        budget: seconds after which no further round of shards is begun; every model has seen the same photographs then.
    """

    def __init__(self, budget: float | None) -> None:
        self.reason = ""
        self._until = None if budget is None else time.monotonic() + budget
        self._round: int | None = None
        self._before: Any = None

    def __enter__(self) -> Stopping:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._interrupted)
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()

    def before(self, shard: Shard) -> bool:
        """Whether this shard is not to be begun."""
        spent = self._until is not None and time.monotonic() > self._until
        if not self.reason and spent and self._round is not None and shard.number != self._round:
            self.reason = SPENT
        self._round = shard.number
        return bool(self.reason)

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        self.reason = INTERRUPTED
        self._restore()

    def _restore(self) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None
