"""Progress of a run in the terminal: a bar, or plain lines every ten seconds where there is no terminal."""

from __future__ import annotations

import errno
import time
from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bar
from rich.progress import track as rich_track
from rich.table import Table

from xaikit.cli.terminal import cell, show
from xaikit.passes import allocator
from xaikit.plain.paths import short_names
from xaikit.plain.text import duration, escaped
from xaikit.store.pages import PAGE

if TYPE_CHECKING:
    from xaikit.planning.planned import Plan
    from xaikit.planning.shards import Receipt
    from xaikit.report.report import Report


T = TypeVar("T")


EVERY = 10.0


SETTLED = 10.0
"""Seconds after which what was measured counts as much as what was planned."""


MOST_ROWS = 20


WARNED = "SELECT name, trial, warnings FROM records WHERE len(warnings) > 0"


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
            BarColumn(None),  # what the words leave of the line
            MofNCompleteColumn(),
            TextColumn("{task.fields[state]}"),
            console=self._console,
            disable=not self._console.is_terminal,
            expand=True,
        )
        self._task = self._bar.add_task("photographs", total=None, state="")
        self._plan: Plan | None = None
        self._done = self._total = self._new = self._forwards = self._failed = 0
        self._current = 0.0
        self._began = self._printed = time.monotonic()

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def started(self, plan: Plan) -> None:
        """The run begins; the plan knows what earlier sittings have done."""
        self._plan = plan
        self._total, self._done = plan.photographs + plan.judged, sum(bench.done for bench in plan.benches)
        self._say(str(plan))
        self._bar.update(self._task, total=self._total, completed=self._done)
        self._began = self._printed = time.monotonic()

    def progressed(self, photographs: float) -> None:
        """So much of the current shard is done."""
        self._current = photographs
        self._update()

    def advanced(self, receipt: Receipt) -> None:
        """A shard was committed."""
        # shards of one window may look at the same photograph for different evidence: it is done with the last
        self._new += receipt.photographs
        self._done = min(self._done + receipt.photographs, self._total)
        self._current = 0.0
        self._forwards += receipt.counts.get("forwards", 0)
        self._failed += len({failure.name for failure in receipt.failures})
        self._update()

    def stopping(self, message: str) -> None:
        """A signal came."""
        self._say(message, style="yellow")

    def warned(self, message: str) -> None:
        """An observer of the run raised."""
        self._say(f"warning: {message}", style="yellow")

    def _update(self) -> None:
        now = time.monotonic()
        done = min(self._done + self._current, self._total)
        rate = (self._new + self._current) / max(now - self._began, 1e-9)
        left = self.seconds_left(now - self._began)
        words = [f"{rate:.1f}/s", f"{self._failed} failed" if self._failed else "", f"{duration(left)} left"]
        state = ", ".join(filter(None, words))
        self._bar.update(self._task, completed=int(done), state=state)
        if not self._console.is_terminal and now - self._printed >= EVERY:
            self._printed = now
            share = 0.0 if self._plan is None else min(self._share(self._plan), 1.0)
            forwards = f"{self._forwards} forwards, " if self._forwards else ""  # they are counted with the first shard
            self._say(f"{int(done)}/{self._total} {share:.0%}, {forwards}{state}")

    def seconds_left(self, elapsed: float) -> float:
        """As the plan said, corrected by what was done since: the longer that took, the more it counts."""
        planned, share = (0.0, 0.0) if self._plan is None else (self._plan.seconds, self._share(self._plan))
        if not share:
            return max(planned - elapsed, 0.0)
        trust, left = elapsed / (elapsed + SETTLED), max(1 - share, 0.0)
        return ((1 - trust) * planned + trust * elapsed / share) * left

    def _share(self, plan: Plan) -> float:
        """Of what this sitting has to do; maps are judged when all are explained."""
        work = self._new + self._current
        explained = min(work, plan.photographs - sum(bench.done for bench in plan.benches))
        return plan.share(explained, work - explained)

    def show(self, report: Report, *, verbose: bool = False) -> None:
        """A short table of what was seen, what went wrong, and where it was written; which allocator ran, for who asks."""
        self._console.print(_table(report))
        self._first(_failures(report), "red", "in failed.jsonl")
        where = f"xaikit query {report.folder} {WARNED!r} shows each"
        self._first((f"warning: {warning}" for warning in report.warnings), "yellow", "warnings", where)
        for line in self._pictures(report):
            self._say(line)
        if verbose:
            self._say(f"allocator: {allocator.describe()}")
        if report.measures.num_rows:
            self._say(f"xaikit leaderboard {report.folder} ranks its methods by what metrics say of their maps")
        folder = report.index.store.folder
        is_shown = folder.size(PAGE) is not None
        self._say(f"written to {report.folder}{f'; open {folder.url(PAGE)}' if is_shown else ''}")
        if report.stopped:
            text = f"stopped early: {report.stopped}; what is finished is kept, the same command goes on from here"
            self._say(text, style="yellow")

    def _pictures(self, report: Report) -> Iterator[str]:
        """Where the contact sheet is, or why there is none."""
        if report.sheets:
            more = f" and {len(report.sheets) - 1} more pages" if len(report.sheets) > 1 else ""
            yield f"contact sheet: {report.sheets[0]}{more}"
        elif self._plan is not None and self._plan.undrawn:
            yield self._plan.undrawn

    def _first(self, lines: Iterable[str], style: str, where: str, always: str = "") -> None:
        """The first of many lines, each once, and where to read the others."""
        unique = list(dict.fromkeys(lines))
        for line in unique[:MOST_ROWS]:
            self._say(line, style=style)
        if len(unique) > MOST_ROWS:
            self._say(f"... and {len(unique) - MOST_ROWS} more {where}", style=style)
        if unique and always:
            self._say(always, style=style)


def _failures(report: Report) -> Iterator[str]:
    """Each error once: the photograph, the trials that have no map of it, and why; of several photographs how many they are."""
    about: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for failure in report.failures:
        names, trials = about.setdefault(failure.error, ({}, {}))
        names[failure.name] = None
        trials |= {trial.name: None for trial in report.index.by_evidence.get((failure.bench, failure.evidence), ())}
    for error, (names, trials) in about.items():
        first = f"{len(names)} photographs, the first {next(iter(names))}" if len(names) > 1 else next(iter(names))
        yield f"failed: {', '.join(map(escaped, [first, *trials]))}: {error}"


def track(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """The items, beside a bar on stderr where that is a terminal."""
    console = Console(stderr=True)
    yield from rich_track(items, what, total, console=console, transient=True, disable=not console.is_terminal)


def _table(report: Report) -> Table:
    table = Table("photograph", "predicted", "probability", "explained", box=None)
    rows: dict[str, list[str]] = {}
    short = short_names(report.images)
    for record in report.head(MOST_ROWS):
        probability = "" if record.probability is None else f"{record.probability:.2f}"
        row = rows.setdefault(record.name, [short[record.name], record.prediction_name, probability, ""])
        if record.target_name and record.target_name not in row[3].split(", "):
            row[3] = ", ".join(filter(None, [row[3], record.target_name]))
    for row in rows.values():
        table.add_row(*map(cell, row))
    more = len(report.images) - len(rows)
    if more > 0:
        table.add_row(f"... and {more} more", "", "", "")
    return table
