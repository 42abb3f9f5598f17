"""What a run shows and gives back."""

from __future__ import annotations

from xaikit.report.index import Index
from xaikit.report.overlay import overlay
from xaikit.report.pictures import draw_missing, is_signed, overlay_name, picture_name, write_sheets
from xaikit.report.report import Report, ReportShard

__all__ = [
    "Index",
    "Report",
    "ReportShard",
    "draw_missing",
    "is_signed",
    "overlay",
    "overlay_name",
    "picture_name",
    "write_sheets",
]
