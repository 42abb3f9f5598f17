"""Progress of a run in the terminal: a bar, or plain lines every ten seconds where there is no terminal."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from xaikit import allocator

if TYPE_CHECKING:
    from xaikit.planning import Plan
    from xaikit.report import Report

EVERY = 10.0
MOST_ROWS = 20


class Progress:
    """Watches a run. Used as a context, so that the bar is taken down whatever happens."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console()
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("photographs", total=None)
        self._count = self._total = 0
        self._began = self._said = time.monotonic()

    def __enter__(self) -> Progress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def started(self, plan: Plan, done: int) -> None:
        """The run begins; ``done`` photographs were finished by an earlier one."""
        self._total, self._count = plan.photographs, done
        self._console.print(str(plan), highlight=False, soft_wrap=True)
        if done:
            self._console.print(f"{done} of {plan.photographs} photographs are done already", highlight=False)
        self._bar.update(self._task, total=plan.photographs, completed=done)

    def advanced(self, photographs: int) -> None:
        """So many more photographs are finished."""
        self._count += photographs
        self._bar.update(self._task, completed=self._count)
        now = time.monotonic()
        if not self._console.is_terminal and now - self._said >= EVERY:
            self._said = now
            share = self._count / max(self._total, 1)
            self._console.print(f"{self._count}/{self._total} {share:.0%} after {now - self._began:.0f} s")

    def show(self, report: Report) -> None:
        """A short table of what was seen, what went wrong, which allocator ran, and where it was written."""
        self._console.print(_table(report))
        for failure in report.failures:
            self._console.print(
                f"failed: {failure.name}: {failure.error}", style="red", highlight=False, soft_wrap=True
            )
        for warning in report.warnings[:MOST_ROWS]:
            self._console.print(f"warning: {warning}", style="yellow", highlight=False, soft_wrap=True)
        if len(report.warnings) > MOST_ROWS:
            self._console.print(f"... and {len(report.warnings) - MOST_ROWS} more warnings in manifest.json")
        for path in report.sheets:
            self._console.print(f"contact sheet: {path}", highlight=False, soft_wrap=True)
        self._console.print(f"allocator: {allocator.describe()}", highlight=False, soft_wrap=True)
        self._console.print(f"written to {report.folder}", highlight=False, soft_wrap=True)


def _table(report: Report) -> Table:
    table = Table("photograph", "predicted", "probability", "explained", box=None)
    seen: dict[str, list[str]] = {}
    for record in report.records:
        probability = "" if record.probability is None else f"{record.probability:.2f}"
        short = record.name.replace("\\", "/").rpartition("/")[2]
        row = seen.setdefault(record.name, [short, record.prediction_name, probability, ""])
        if record.target_name and record.target_name not in row[3].split(", "):
            row[3] = ", ".join(filter(None, [row[3], record.target_name]))
    for row in list(seen.values())[:MOST_ROWS]:
        table.add_row(*row)
    if len(seen) > MOST_ROWS:
        table.add_row(f"... and {len(seen) - MOST_ROWS} more", "", "", "")
    return table
