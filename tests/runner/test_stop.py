from __future__ import annotations

import os
import signal

import pytest

from xaikit.planning.shards import Shard
from xaikit.runner.stop import INTERRUPTED, SPENT, Stopping


def shard(number: int, bench: int = 0) -> Shard:
    return Shard(bench, number, ((0,),), ("e",))


def test_the_first_interrupt_waits_for_the_shard_and_the_second_does_not() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Stopping(None) as stopping:
        assert not stopping.before(shard(0))
        os.kill(os.getpid(), signal.SIGINT)
        assert stopping.before(shard(1))
        assert stopping.reason == INTERRUPTED
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_spent_budget_ends_the_run_between_rounds() -> None:
    with Stopping(0.0) as stopping:
        assert [stopping.before(shard(0, bench)) for bench in (0, 1)] == [False, False], "a round is finished"
        assert stopping.before(shard(1))
        assert stopping.reason == SPENT
