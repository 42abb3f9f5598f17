"""A run as what compares runs takes it."""

from __future__ import annotations

from pathlib import Path

from xaikit.report.report import Report

Run = str | Path | Report
"""A report, or the path or URL of a run folder."""


def opened(run: Run) -> Report:
    """Its report. Raises StoreError where there is no run in the folder."""
    return Report(run) if isinstance(run, str | Path) else run
