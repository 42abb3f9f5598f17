"""What a run shows and gives back."""

from __future__ import annotations

from xaikit.report.pictures import write_pictures
from xaikit.report.report import Report
from xaikit.report.sheet import write_sheets

__all__ = ["Report", "write_pictures", "write_sheets"]
