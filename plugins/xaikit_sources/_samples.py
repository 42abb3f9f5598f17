"""What sources of series, volumes and videos share: the files that a path means, and arrays in them."""

from __future__ import annotations

import io
from collections.abc import Collection, Sequence
from glob import glob, has_magic
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from xaikit import DataError
from xaikit_sources._paths import missing, natural


def files_of(path: str | list[str], suffixes: Collection[str], where: str) -> list[Path]:
    """The files of a path, a glob, a folder with all in it, or a list of these: in the order given, of a glob and a folder in
    natural order; one that is named twice counts once.

    Raises:
        DataError: one does not exist, is of another kind, or none is found.
    """
    given = [path] if isinstance(path, str) else path
    found = dict.fromkeys(file for each in given for file in _matches(each, suffixes, where))
    if not found:
        raise DataError(
            f"{where}: path: expected at least one file ({', '.join(sorted(suffixes))}), found none in {path!r}"
        )
    return list(found)


def _matches(path: str, suffixes: Collection[str], where: str) -> list[Path]:
    file = Path(path).expanduser()
    if file.is_file():
        if not _is_of(file, suffixes):
            raise DataError(f"{where}: {path}: expected a file that ends with {', '.join(sorted(suffixes))}")
        return [file]
    if file.is_dir():
        inside = [
            each for each in file.rglob("*") if not any(part.startswith(".") for part in each.relative_to(file).parts)
        ]
    elif has_magic(path):
        inside = [Path(each) for each in glob(str(file), recursive=True)]
    else:
        raise DataError(f"{where}: {missing(path)}")
    return sorted((each for each in inside if each.is_file() and _is_of(each, suffixes)), key=natural)


def _is_of(file: Path, suffixes: Collection[str]) -> bool:
    return file.name.lower().endswith(tuple(suffixes))


def label_of(file: Path, label: str | None) -> str | None:
    """The class that a file lies in: its folder's name, where that is what says it."""
    return file.parent.name if label == "folder" else None


def array_of(data: bytes, name: str) -> np.ndarray:
    """The array of an .npy file. Raises DataError where it is none."""
    try:
        array: np.ndarray = np.load(io.BytesIO(data), allow_pickle=False)
    except Exception as error:  # readers of damaged bytes raise nearly anything
        raise DataError(f"{name}: cannot be read as an array: {type(error).__name__}: {error}") from error
    return array


def channels_first(array: np.ndarray, axes: int, channels: str, name: str) -> Tensor:
    """Numbers (*S) or with channels beside them as float32 (channels, *S).

    Args:
        axes: of S.
        channels: where they lie: first or last.

    Raises:
        DataError: another number of axes, or something else than numbers.
    """
    if array.ndim == axes:
        array = array[None]
    elif array.ndim == axes + 1 and channels == "last":
        array = np.moveaxis(array, -1, 0)
    elif array.ndim != axes + 1:
        raise DataError(f"{name}: expected {axes} axes, or {axes + 1} with channels {channels}, got {array.shape}")
    if array.dtype.kind not in "buif" or not array.size:
        raise DataError(f"{name}: expected numbers, got {array.dtype} of shape {array.shape}")
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32))


def numbers_of(rows: Sequence[Sequence[str]], name: str) -> np.ndarray:
    """Cells of a table as numbers, (rows, columns). Raises DataError naming the line that has none."""
    for line, row in enumerate(rows, 1):
        if len(row) != len(rows[0]):
            raise DataError(f"{name}: row {line}: expected {len(rows[0])} cells, got {len(row)}")
        for cell in row:
            _check_number(cell, name, line)
    return np.array([[float(cell) for cell in row] for row in rows], dtype=np.float64)


def _check_number(cell: str, name: str, line: int) -> None:
    try:
        float(cell)
    except ValueError:
        raise DataError(f"{name}: row {line}: expected a number, got {cell!r}") from None
