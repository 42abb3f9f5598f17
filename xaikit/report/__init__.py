"""What a run shows and gives back."""

from __future__ import annotations

from xaikit.report.pictures import write_pictures, write_sheets
from xaikit.report.report import Report

__all__ = ["Report", "write_pictures", "write_sheets"]
