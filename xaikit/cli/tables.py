"""Answers to queries as text: aligned columns, or comma-separated values."""

from __future__ import annotations

import csv
import io
from typing import Any

import pyarrow as pa

from xaikit.report.text import aligned

WIDEST = 60


def as_text(table: pa.Table, width: int | None = None) -> str:
    """Aligned columns under their names; long values are cut, and where a line has only so many letters, wide columns."""
    rows = [table.column_names, *([_cell(value) for value in row.values()] for row in table.to_pylist())]
    kinds = enumerate(table.schema.types)
    return aligned(
        rows, [place for place, kind in kinds if pa.types.is_integer(kind) or pa.types.is_floating(kind)], width
    )


def as_csv(table: pa.Table) -> str:
    """Comma-separated values with a header."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(table.column_names)
    writer.writerows(row.values() for row in table.to_pylist())
    return buffer.getvalue().rstrip("\n")


def _cell(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else "" if value is None else str(value)
    return text if len(text) <= WIDEST else text[: WIDEST - 3] + "..."
