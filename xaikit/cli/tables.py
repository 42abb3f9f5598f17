"""Answers to queries as text: aligned columns, or comma-separated values."""

from __future__ import annotations

import csv
import io
import sys
from typing import TYPE_CHECKING, Any

import click
import pyarrow as pa

from xaikit.cli.terminal import echo
from xaikit.report.text import aligned

if TYPE_CHECKING:
    from xaikit.analysis.comparison import Comparison

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


def show_csv(table: pa.Table) -> None:
    """Print it so; a table of a file or another program is as it is, a terminal is shown nothing that it obeys."""
    (echo if sys.stdout.isatty() else click.echo)(as_csv(table))


def show_comparison(comparison: Comparison, as_values: bool) -> None:
    """Print the tables of a comparison, or all its numbers as comma-separated values and its notes to stderr."""
    if not as_values:
        echo(str(comparison))
        return
    for note in comparison.notes:
        echo(note, err=True)
    show_csv(pa.Table.from_pylist(comparison.rows()))


def _cell(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else "" if value is None else str(value)
    return text if len(text) <= WIDEST else text[: WIDEST - 3] + "..."
