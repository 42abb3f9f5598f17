"""Series: signals over time, one a file or one a row, in CSV or .npy."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from torch import Tensor

from xaikit import DataError, Located, hookimpl, nearest
from xaikit.sources import Photograph
from xaikit_sources._paths import read_bytes
from xaikit_sources._samples import array_of, channels_first, files_of, label_of, numbers_of

_SUFFIXES = (".csv", ".tsv", ".txt", ".npy")


@dataclass(frozen=True)
class Series:
    """Series (channels, time), as they are unless ``data.transform`` says ``size``, ``crop``, ``mean`` and ``std``.

    path       a file, a glob, a folder, or a list of these: .csv, .tsv, .txt, .npy
    each       file: a file is one series, of a table a column a channel and a row a time; row: every row of a table, or of the
               first axis of an array, is one
    label      file: null, or folder, whose name is the class; row: null, or the column of the class, by name or number from 0
    channels   of an array: first or last
    delimiter  of a table; null: tab in .tsv, else a comma
    """

    path: Annotated[str | list[str], Located()]
    each: Literal["file", "row"] = "file"
    label: str | int | None = None
    channels: Literal["first", "last"] = "first"
    delimiter: str | None = None

    def __post_init__(self) -> None:
        if self.each == "file" and self.label not in (None, "folder"):
            raise ValueError(f"label: expected null or folder where a file is one series, got {self.label!r}")

    def photographs(self) -> Sequence[Photograph]:
        """The series. Raises DataError where nothing is found, or a table has no such column."""
        files = files_of(self.path, _SUFFIXES, "data series")
        if self.each == "row":
            return [row for file in files for row in self._rows(file)]
        return [
            Photograph(
                str(file),
                partial(read_bytes, file),
                label_of(file, str(self.label)),
                "series",
                partial(self._decode, name=str(file)),
            )
            for file in files
        ]

    def _decode(self, data: bytes, name: str) -> Tensor:
        """One file, (channels, time)."""
        if name.lower().endswith(".npy"):
            return channels_first(array_of(data, name), 1, self.channels, name)
        _, rows = self._table(data, name)
        return channels_first(numbers_of(rows, name).T, 1, "first", name)

    def _rows(self, file: Path) -> Iterator[Photograph]:
        data = read_bytes(file)
        if file.suffix.lower() == ".npy":
            for place, one in enumerate(array_of(data, str(file))):
                yield _of_array(f"{file}#{place}", one, self.channels)
            return
        header, rows = self._table(data, str(file))
        column = self._column(header, rows, file)
        for place, row in enumerate(rows):
            name, label = f"{file}#{place}", None
            try:
                label = None if column is None else _class_in(row, column, name)
                yield _of_array(name, _numbers(row, column, header, name), "first", label)
            except DataError as error:
                yield Photograph(name, partial(_refused, str(error)), label, "series", _decoder(name, "first"))

    def _table(self, data: bytes, name: str) -> tuple[list[str], list[list[str]]]:
        """The header, which may be missing, and the rows."""
        try:
            text = io.StringIO(data.decode("utf-8-sig"), newline="")
            delimiter = self.delimiter or ("\t" if name.lower().endswith(".tsv") else ",")
            rows = [row for row in csv.reader(text, delimiter=delimiter) if any(cell.strip() for cell in row)]
        except (csv.Error, UnicodeDecodeError) as error:
            raise DataError(f"{name}: expected a table in UTF-8: {error}") from error
        header = rows[0] if rows and not any(map(_is_number, rows[0])) else []
        rows = rows[1:] if header else rows
        if not rows:
            raise DataError(f"{name}: expected rows of numbers, got none")
        return header, rows

    def _column(self, header: list[str], rows: list[list[str]], file: Path) -> int | None:
        if self.label is None:
            return None
        if isinstance(self.label, int) and 0 <= self.label < len(rows[0]):
            return self.label
        if self.label not in header:
            raise DataError(f"{file}: label: no column {self.label!r}; {nearest(str(self.label), header)}")
        return header.index(str(self.label))


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _class_in(row: Sequence[str], column: int, name: str) -> str | None:
    """What stands in the column of the class. Raises DataError where the row ends before."""
    if column >= len(row):
        raise DataError(f"{name}: expected its class in column {column}, got {len(row)} cells")
    return row[column].strip() or None


def _numbers(row: Sequence[str], column: int | None, header: Sequence[str], name: str) -> np.ndarray:
    """The cells of a row but for its class. Raises DataError naming the column of one that is no number."""
    for at, cell in enumerate(row):
        if at != column and not _is_number(cell):
            called = repr(header[at]) if at < len(header) else at
            raise DataError(f"{name}: column {called}: expected a number, got {cell!r}")
    return np.array([float(cell) for at, cell in enumerate(row) if at != column])


def _refused(why: str) -> bytes:
    """In place of the bytes of a row, which fails by itself when its turn comes, and stops no other."""
    raise DataError(why)


def _of_array(name: str, array: np.ndarray, channels: str, label: str | None = None) -> Photograph:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    data = buffer.getvalue()
    return Photograph(name, lambda: data, label, "series", _decoder(name, channels))


def _decoder(name: str, channels: str) -> Callable[[bytes], Tensor]:
    return partial(_decoded, name=name, channels=channels)


def _decoded(data: bytes, name: str, channels: str) -> Tensor:
    return channels_first(array_of(data, name), 1, channels, name)


@hookimpl
def xaikit_data() -> type:
    return Series
