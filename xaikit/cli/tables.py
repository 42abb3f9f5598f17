"""Answers to queries as text: aligned columns, or comma-separated values."""

from __future__ import annotations

import csv
import io
from typing import Any

import pyarrow as pa

WIDEST = 60


def as_text(table: pa.Table) -> str:
    """Aligned columns under their names; long values are cut."""
    rows = [list(table.column_names), *([_said(value) for value in row.values()] for row in table.to_pylist())]
    widths = [max(len(row[place]) for row in rows) for place in range(table.num_columns)]
    numbers = [pa.types.is_integer(kind) or pa.types.is_floating(kind) for kind in table.schema.types]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(row, widths, numbers, strict=True)
        ).rstrip()
        for row in rows
    )


def as_csv(table: pa.Table) -> str:
    """Comma-separated values with a header."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(table.column_names)
    writer.writerows(row.values() for row in table.to_pylist())
    return buffer.getvalue().rstrip("\n")


def _said(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else "" if value is None else str(value)
    return text if len(text) <= WIDEST else text[: WIDEST - 3] + "..."
