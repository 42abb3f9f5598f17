"""What a run shows and gives back."""

from __future__ import annotations

from xaikit.pictures.overlay import overlay
from xaikit.report.index import Index
from xaikit.report.overlays import OverlayWriter
from xaikit.report.report import Report, ReportShard
from xaikit.report.sheets import write_sheets

__all__ = [
    "Index",
    "OverlayWriter",
    "Report",
    "ReportShard",
    "overlay",
    "write_sheets",
]
