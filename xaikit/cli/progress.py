"""Progress of a run in the terminal: a bar, or plain lines every ten seconds where there is no terminal."""

from __future__ import annotations

import errno
import time
from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.progress import track as rich_track
from rich.table import Table

from xaikit import _allocator
from xaikit.cli.terminal import cell, show
from xaikit.plain.text import escaped

if TYPE_CHECKING:
    from xaikit.report.report import Report
    from xaikit.runner.planned import Plan
    from xaikit.runner.shards import Receipt
    from xaikit.store.rows import Failure


T = TypeVar("T")


EVERY = 10.0


MOST_ROWS = 20


class _Terminal(Console):
    """Where nobody reads it any more, that is an error like any other: rich would end the process with code 1."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError(errno.EPIPE, "nobody reads the output any more")


class Progress:
    """Watches a run. Used as a context, so that the bar is taken down whatever happens."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or _Terminal()
        self._say = partial(show, self._console)
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[state]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("photographs", total=None, state="")
        self._count = self._total = self._new = self._forwards = self._failed = 0
        self._began = self._printed = time.monotonic()

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def started(self, plan: Plan) -> None:
        """The run begins; the plan knows what earlier sittings have done."""
        self._total, self._count = plan.photographs, sum(bench.done for bench in plan.benches)
        self._say(str(plan))
        self._bar.update(self._task, total=self._total, completed=self._count)
        self._began = time.monotonic()

    def advanced(self, receipt: Receipt) -> None:
        """A shard was committed."""
        # shards of one window may look at the same photograph for different evidence: it is done with the last
        self._new += receipt.photographs
        self._count = min(self._count + receipt.photographs, self._total)
        self._forwards += receipt.counts.get("forwards", 0)
        self._failed += len({failure.name for failure in receipt.failures})
        now = time.monotonic()
        rate = self._new / max(now - self._began, 1e-9)
        state = f"{rate:.1f} images/s, {self._forwards} forwards, {self._failed} failed"
        self._bar.update(self._task, completed=self._count, state=state)
        if not self._console.is_terminal and now - self._printed >= EVERY:
            self._printed = now
            left = (now - self._began) / max(self._new, 1) * (self._total - self._count)
            share = self._count / max(self._total, 1)
            self._say(f"{self._count}/{self._total} {share:.0%}, {state}, about {left:.0f} s left")

    def show(self, report: Report) -> None:
        """A short table of what was seen, what went wrong, which allocator ran, and where it was written."""
        self._console.print(_table(report))
        self._first((f"failed: {_failure(report, failure)}" for failure in report.failures), "red", "in failed.jsonl")
        self._first((f"warning: {warning}" for warning in report.warnings), "yellow", "warnings: report.warnings")
        for path in report.sheets:
            self._say(f"contact sheet: {path}")
        self._say(f"allocator: {_allocator.describe()}")
        self._say(f"written to {report.folder}")
        if report.stopped:
            text = f"stopped early: {report.stopped}; what is finished is kept, the same command goes on from here"
            self._say(text, style="yellow")

    def _first(self, lines: Iterable[str], style: str, where: str) -> None:
        """The first of many lines, each once, and where to read the others."""
        unique = list(dict.fromkeys(lines))
        for line in unique[:MOST_ROWS]:
            self._say(line, style=style)
        if len(unique) > MOST_ROWS:
            self._say(f"... and {len(unique) - MOST_ROWS} more {where}", style=style)


def _failure(report: Report, failure: Failure) -> str:
    """The photograph, the trials that have no map of it, and why."""
    trials = report.index.by_evidence.get((failure.bench, failure.evidence), ())
    return f"{', '.join(map(escaped, [failure.name, *(trial.name for trial in trials)]))}: {failure.error}"


def track(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """The items, beside a bar on stderr where that is a terminal."""
    console = Console(stderr=True)
    yield from rich_track(items, what, total, console=console, transient=True, disable=not console.is_terminal)


def _table(report: Report) -> Table:
    table = Table("photograph", "predicted", "probability", "explained", box=None)
    rows: dict[str, list[str]] = {}
    for record in report.head(MOST_ROWS):
        probability = "" if record.probability is None else f"{record.probability:.2f}"
        short = record.name.replace("\\", "/").rpartition("/")[2]
        row = rows.setdefault(record.name, [short, record.prediction_name, probability, ""])
        if record.target_name and record.target_name not in row[3].split(", "):
            row[3] = ", ".join(filter(None, [row[3], record.target_name]))
    for row in rows.values():
        table.add_row(*map(cell, row))
    more = len(report.images) - len(rows)
    if more > 0:
        table.add_row(f"... and {more} more", "", "", "")
    return table
