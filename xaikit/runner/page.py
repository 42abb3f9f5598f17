"""The page of a run, written when all else is: its records and maps, and the leaderboard of what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xaikit.analysis.ranking import leaderboard
from xaikit.registry import Registry
from xaikit.report.page.document import files_of
from xaikit.report.page.payload import payload
from xaikit.report.report import Report
from xaikit.store.pages import PAGE, PARTS, save_pages


def write_page(report: Report, registry: Registry) -> None:
    """Write the page of a run into its folder, in the place of an earlier one. Raises OSError where the disk does not take it."""
    save_pages(report.index.store.folder, page_of([report], registry))


def page_of(reports: Sequence[Report], registry: Registry, name: str = PAGE) -> dict[str, str]:
    """The files of the page of one run, or of two beside each other; the page itself is the first."""
    return files_of(payload(reports, registry, [_board(report) for report in reports]), name, PARTS)


def _board(report: Report) -> dict[str, Any] | None:
    """Where anything was measured, what the leaderboard says of it."""
    return leaderboard(report).plain() if report.measures.num_rows else None
