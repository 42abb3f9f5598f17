"""A CSV table of paths and labels."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from xaikit import DataError, hookimpl, nearest
from xaikit.sources import Photograph

from xaikit_sources import _pictures


@dataclass(frozen=True)
class Csv:
    """One picture a row; paths are relative to the table.

    path     the table, with a header
    column   the column of paths
    label    the column of labels: names, WordNet ids or indices; it may be missing
    """

    path: str
    column: str = "path"
    label: str = "label"

    def photographs(self) -> Sequence[Photograph]:
        """Raises DataError where there is no such table, column, or row."""
        file = Path(self.path).expanduser()
        if not file.is_file():
            raise DataError(f"data.path: there is no file {self.path}; {nearest(self.path, _pictures.beside(file))}")
        with file.open(newline="", encoding="utf-8-sig") as handle:
            rows = csv.DictReader(handle)
            header = list(rows.fieldnames or [])
            if self.column not in header:
                raise DataError(f"{self.path}: no column {self.column!r}; {nearest(self.column, header)}")
            listed = [(row[self.column], row.get(self.label) or None) for row in rows if row[self.column]]
        paths = [file.parent / name for name, _ in listed]
        return _pictures.found(_pictures.photographs(paths, [label for _, label in listed]), self.path)


@hookimpl
def xaikit_data() -> type:
    return Csv
