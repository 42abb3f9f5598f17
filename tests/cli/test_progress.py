from __future__ import annotations

import io

from rich.console import Console

from xaikit.cli.progress import Progress
from xaikit.runner.planned import Plan, PlannedBench
from xaikit.runner.shards import Receipt, Shard
from xaikit.store.rows import Failure

PLAN = Plan((PlannedBench("net", "cpu", 4, 2, (), (), 1, 1, 0, done=1),))


def receipt(count: int, *failures: Failure) -> Receipt:
    shard = Shard(0, 0, (tuple(range(count)),), ("e",))
    return Receipt(shard, count, failures=failures, counts={"forwards": 2})


def watched(terminal: bool) -> str:
    out = io.StringIO()
    with Progress(Console(file=out, force_terminal=terminal, width=140)) as progress:
        progress.started(PLAN)
        progress.advanced(receipt(2))
        progress.advanced(
            receipt(1, Failure("b", "a.png", error="no"), Failure("b", "a.png", evidence="e", error="no"))
        )
    return out.getvalue()


def test_a_bar_in_a_terminal() -> None:
    text = watched(terminal=True)
    assert "photographs" in text
    assert "4/4" in text
    assert "images/s, 4 forwards, 1 failed" in text


def test_no_bar_without_one() -> None:
    text = watched(terminal=False)
    assert "1 of 4 photographs are done" in text
    assert "━" not in text
