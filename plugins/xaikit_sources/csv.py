"""A table of pictures and their labels: a CSV file with the columns path,label."""

from __future__ import annotations

import csv
import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from xaikit import DataError, Located, hookimpl, nearest
from xaikit.sources import Photograph
from xaikit_sources._annotations import Annotations, Stated, annotated, box_of
from xaikit_sources._paths import is_file, missing, photograph

Row = tuple[int, dict[str, str]]


@dataclass(frozen=True)
class Csv:
    """The rows in their order. A label is a class name, a WordNet id or an index; an empty one is none.

    path          the CSV file, UTF-8 with a header; the paths in it are relative to its folder
    path_column   the column with the paths
    label_column  the column with the labels; null where there is none
    delimiter     what separates the columns
    box_columns   the four columns with the left, upper, right and lower edge of an object, in pixels of the upright file; rows
                  of one path are then one photograph, and one without a box states no object
    box_label_column  the column with the label of an object, null where all are of any class
    mask_column   the column with the path of a mask: a picture of the same size, not 0 where an object is
    annotations   in place of such columns: a .csv of boxes, COCO's .json, or a folder of VOC's .xml or of masks (.png)
    """

    path: Annotated[str, Located()]
    path_column: str = "path"
    label_column: str | None = "label"
    delimiter: str = ","
    box_columns: list[str] | None = None
    box_label_column: str | None = None
    mask_column: str | None = None
    annotations: Annotations = None

    def __post_init__(self) -> None:
        if len(self.delimiter) != 1:
            raise ValueError(f"delimiter: expected one character, got {self.delimiter!r}")
        if self.box_columns is not None and len(self.box_columns) != 4:
            raise ValueError(f"box_columns: expected four columns, got {self.box_columns!r}")
        if self.box_label_column is not None and self.box_columns is None:
            raise ValueError("box_label_column: expected box_columns beside it")
        if self.annotations is not None and (self.box_columns or self.mask_column):
            raise ValueError("annotations: expected no box_columns and mask_column beside it")

    def photographs(self) -> Sequence[Photograph]:
        """The pictures. Raises DataError, with the line, for a column, a path, a picture or a box that is wrong, missing or there
        twice."""
        lines: dict[str, int] = {}
        found: dict[str, Photograph] = {}
        files: list[Path] = []
        stated: dict[str, Stated] = defaultdict(Stated)
        for line, row in self._rows():
            name, label = self._cell(row, self.path_column) or "", self._cell(row, self.label_column)
            if name not in lines:
                lines[name] = line
                files.append(self._file(name, line))
                found[name] = photograph(files[-1], name, label)
            elif self.box_columns is None:
                raise DataError(f"{self.path}:{line}: {name!r} is there already, in line {lines[name]}")
            elif label != found[name].label:
                before = f"{found[name].label!r}, as in line {lines[name]}"
                raise DataError(f"{self.path}:{line}: {self.label_column}: expected {before}, got {label!r}")
            self._state(stated[name], row, line)
        if not found:
            raise DataError(f"{self.path}: expected rows below the header, got none")
        if self.box_columns is None and self.mask_column is None:
            return annotated(list(found.values()), files, self.annotations)
        return [replace(each, annotation=stated[name].annotation()) for name, each in found.items()]

    def _state(self, stated: Stated, row: dict[str, str], line: int) -> None:
        """What a row says of the objects of its photograph."""
        corners = [self._cell(row, column) for column in self.box_columns or ()]
        if any(corners):
            stated.add(box_of(corners, f"{self.path}:{line}"), self._cell(row, self.box_label_column))
        mask = self._cell(row, self.mask_column)
        if mask is not None:
            stated.mask = self._file(mask, line)

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
        options = ("path_column", "label_column", "box_label_column", "mask_column")
        columns = [(option, getattr(self, option)) for option in options]
        for option, column in [*columns, *(("box_columns", each) for each in self.box_columns or ())]:
            if column is not None and column not in header:
                raise DataError(f"{self.path}:1: {option}: no column {column!r}; {nearest(column, header)}")

    def _file(self, name: str, line: int) -> Path:
        file = Path(os.path.expanduser(self.path)).parent / os.path.expanduser(name)
        if not is_file(file):
            fault = missing(str(file)) if name else "the path is empty"
            raise DataError(f"{self.path}:{line}: {fault}")
        return file

    def _cell(self, row: dict[str, str], column: str | None) -> str | None:
        return (row[column] or "").strip() or None if column else None


@hookimpl
def xaikit_data() -> type:
    return Csv
