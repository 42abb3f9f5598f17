"""A table of pictures and their labels: a CSV file with the columns path,label."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from xaikit import DataError, Located, hookimpl, nearest
from xaikit.sources import Photograph
from xaikit_sources._paths import is_file, missing, photograph

Row = tuple[int, dict[str, str]]


@dataclass(frozen=True)
class Csv:
    """The rows in their order. A label is a class name, a WordNet id or an index; an empty one is none.

    path          the CSV file, UTF-8 with a header; the paths in it are relative to its folder
    path_column   the column with the paths
    label_column  the column with the labels; null where there is none
    delimiter     what separates the columns
    """

    path: Annotated[str, Located()]
    path_column: str = "path"
    label_column: str | None = "label"
    delimiter: str = ","

    def __post_init__(self) -> None:
        if len(self.delimiter) != 1:
            raise ValueError(f"delimiter: expected one character, got {self.delimiter!r}")

    def photographs(self) -> Sequence[Photograph]:
        """The pictures. Raises DataError, with the line, for a column, a path or a picture that is missing or there twice."""
        lines: dict[str, int] = {}
        photographs = []
        for line, row in self._rows():
            name = (row[self.path_column] or "").strip()
            if name in lines:
                raise DataError(f"{self.path}:{line}: {name!r} is there already, in line {lines[name]}")
            lines[name] = line
            photographs.append(photograph(self._file(name, line), name, self._label(row)))
        if not photographs:
            raise DataError(f"{self.path}: expected rows below the header, got none")
        return photographs

    def _rows(self) -> Iterator[Row]:
        file = Path(os.path.expanduser(self.path))
        if not is_file(file):
            raise DataError(f"data csv: {missing(self.path)}")
        try:
            with file.open(encoding="utf-8-sig", newline="") as stream:
                reader = csv.DictReader(stream, delimiter=self.delimiter)
                self._check_columns(reader.fieldnames or ())
                yield from ((reader.line_num, row) for row in reader)
        except (csv.Error, UnicodeDecodeError) as error:
            raise DataError(f"{self.path}: expected CSV in UTF-8: {error}") from error

    def _check_columns(self, header: Sequence[str]) -> None:
        options = {"path_column": self.path_column, "label_column": self.label_column}
        for option, column in options.items():
            if column is not None and column not in header:
                raise DataError(f"{self.path}:1: {option}: no column {column!r}; {nearest(column, header)}")

    def _file(self, name: str, line: int) -> Path:
        file = Path(os.path.expanduser(self.path)).parent / os.path.expanduser(name)
        if not is_file(file):
            fault = missing(str(file)) if name else "the path is empty"
            raise DataError(f"{self.path}:{line}: {fault}")
        return file

    def _label(self, row: dict[str, str]) -> str | None:
        return (row[self.label_column] or "").strip() or None if self.label_column else None


@hookimpl
def xaikit_data() -> type:
    return Csv
