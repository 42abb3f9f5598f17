from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import xaikit
from helpers.runs import config, pictures
from xaikit.cli.progress import Progress
from xaikit.planning.planned import Plan, PlannedBench, PlannedEvaluation
from xaikit.planning.shards import Receipt, Shard
from xaikit.store.rows import Failure

BENCH = PlannedBench("net", "cpu", 4, 2, (), (), 1, 1, 0, done=1)
PLAN = Plan((BENCH,))


def receipt(count: int, *failures: Failure) -> Receipt:
    shard = Shard(0, 0, (tuple(range(count)),), ("e",))
    return Receipt(shard, count, failures=failures, counts={"forwards": 2})


def watched(terminal: bool, width: int = 140) -> str:
    out = io.StringIO()
    with Progress(Console(file=out, force_terminal=terminal, width=width)) as progress:
        progress.started(PLAN)
        progress.progressed(1.5)
        progress.advanced(receipt(2))
        progress.advanced(
            receipt(1, Failure("b", "a.png", error="no"), Failure("b", "a.png", evidence="e", error="no"))
        )
    return out.getvalue()


def test_a_bar_in_a_terminal() -> None:
    text = watched(terminal=True)
    assert "photographs" in text
    assert "4/4" in text
    assert "/s, 1 failed, 0 s left" in text


def bar_of(plan: Plan, width: int, *calls: tuple[str, Any]) -> str:
    """The last line that the bar drew."""
    out = io.StringIO()
    with Progress(Console(file=out, width=width, force_terminal=True)) as progress:
        progress.started(plan)
        for name, value in calls:
            getattr(progress, name)(value)
    return re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", out.getvalue()).rstrip())[-1]


def test_at_80_columns_the_bar_keeps_its_bar_and_the_time_left_on_one_line() -> None:
    large = replace(BENCH, photographs=123_456, done=0, seconds=100_000.0)
    failed = receipt(12_345, *(Failure("b", f"{n}.png", error="no") for n in range(1234)))
    line = bar_of(Plan((large,)), 80, ("advanced", failed))
    assert len(line) <= 80
    assert line.count("━") >= 6
    assert line.rstrip().endswith("left")
    assert "12345/123456" in line
    assert "1234 failed" in line


def test_the_bar_moves_within_a_shard() -> None:
    assert "2/4" in bar_of(PLAN, 100, ("progressed", 1.5))


def test_the_time_left_is_that_of_the_plan_until_something_is_measured() -> None:
    progress = Progress(Console(file=io.StringIO()))
    progress.started(Plan((replace(BENCH, photographs=100, done=0, seconds=40.0),)))
    assert progress.seconds_left(0.0) == 40
    progress.progressed(10)
    assert 30 < progress.seconds_left(1.0) < 36, "what took a second says little"
    assert progress.seconds_left(1000.0) > 8000, "what took long says much"


def test_maps_that_are_judged_count_as_much_as_the_plan_said() -> None:
    evaluation = PlannedEvaluation(("srg",), 10, 2, 100, 0, seconds=90.0)
    plan = Plan((replace(BENCH, photographs=10, done=0, seconds=10.0, evaluation=evaluation),))
    assert [plan.share(*done) for done in ((0, 0), (5, 0), (10, 0), (10, 5), (10, 10))] == [0, 0.05, 0.1, 0.55, 1]
    out = io.StringIO()
    with Progress(Console(file=out)) as progress:
        progress.started(plan)
        progress.advanced(receipt(10))
        assert progress.seconds_left(10.0) == pytest.approx(90)
        progress.progressed(5)
        assert progress.seconds_left(55.0) == pytest.approx(45)


def test_no_bar_without_one() -> None:
    text = watched(terminal=False)
    assert "1 of 4 photographs are done" in text
    assert "━" not in text


def test_a_signal_says_at_once_what_it_does() -> None:
    out = io.StringIO()
    with Progress(Console(file=out)) as progress:
        progress.stopping("interrupted: finishing 12 photographs; again to stop now")
        assert "finishing 12 photographs; again to stop now" in out.getvalue()


def test_the_table_tells_photographs_of_one_name_apart(tmp_path: Path) -> None:
    for folder in ("cat", "dog"):
        pictures(tmp_path / "photos" / folder, ("1.png",))
    out = io.StringIO()
    report = xaikit.run(config(tmp_path, methods="gradcam", report={"to": str(tmp_path / "run"), "page": False}))
    Progress(Console(file=out, width=140)).show(report)
    assert [line.split()[0] for line in out.getvalue().splitlines()[1:3]] == ["cat/1.png", "dog/1.png"]
