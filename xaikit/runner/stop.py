"""Ending a run: on a signal between two batches, when its budget of time is spent between two shards."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any

from xaikit.planning.shards import Shard

INTERRUPTED, SPENT = "interrupted", "the budget is spent"
SIGNALS = {"SIGINT": INTERRUPTED, "SIGTERM": "terminated", "SIGHUP": "hung up"}
"""What ends a run, and what it says then; Windows has no SIGHUP."""


def exit_codes() -> dict[str, int]:
    """Of a process that a signal ended, as shells count them, by what the run says then."""
    return {reason: 128 + getattr(signal, name) for name, reason in SIGNALS.items() if hasattr(signal, name)}


class Stopping:
    """A context that holds up the first signal to end until the current batch is committed; the second one gets through.

    Args:
        budget: seconds after which no further round of shards is begun; every model has seen the same photographs then.
        tell: is told at once what a signal does.
    """

    def __init__(self, budget: float | None, tell: Callable[[str], object] = lambda message: None) -> None:
        self.reason = ""
        self.batch = 0
        """Photographs that are being computed."""
        self._tell = tell
        self._until = None if budget is None else time.monotonic() + budget
        self._round: int | None = None
        self._before: dict[int, Callable[[int, FrameType | None], Any] | int | None] = {}

    def __enter__(self) -> Stopping:
        if threading.current_thread() is threading.main_thread():
            for name in SIGNALS:
                number = getattr(signal, name, None)
                # who is told to ignore one, as nohup tells, ignores it
                if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._end)
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()

    @property
    def by_signal(self) -> bool:
        """Whether a signal ended it: there is little time left then."""
        return self.reason in SIGNALS.values()

    def before(self, shard: Shard) -> bool:
        """Whether this shard is not to be begun."""
        spent = self._until is not None and time.monotonic() > self._until
        if not self.reason and spent and self._round is not None and shard.number != self._round:
            self.reason = SPENT
        self._round = shard.number
        return bool(self.reason)

    def _end(self, number: int, frame: FrameType | None) -> None:
        self.reason = SIGNALS[signal.Signals(number).name]
        self._restore()
        photographs = f"{self.batch} photograph{'s' * (self.batch != 1)}" if self.batch else "what is being written"
        with suppress(RuntimeError):  # it came while the very line that says so was being written
            self._tell(f"{self.reason}: finishing {photographs}; again to stop now")

    def _restore(self) -> None:
        while self._before:
            number, handler = self._before.popitem()
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
