"""Raw maps in few bytes: each map over its largest magnitude, in half precision, the magnitude beside it; and their files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load

from xaikit.store.folder import Folder, Remote
from xaikit.store.tables import readable

MapFormat = Literal["float16", "uint8", "float32"]
"""How raw maps are kept. float16: signed, to 0.05 % of the largest value. uint8: what a ReLU leaves, in 255 steps. float32: as
they are."""
Array = NDArray[Any]
_SCALE = ".scale"


def encode(key: str, raw: Array, stored_as: MapFormat) -> dict[str, Array]:
    """The arrays of a file for the raw maps (n, T, *S) of one key.

    NaN and infinite values stay where they are; they do not take part in the scale. A byte has no NaN: with uint8 maps that
    are not finite are kept in half precision.
    """
    raw = np.ascontiguousarray(raw, np.float32)
    if stored_as == "float32":
        return {key: raw}
    finite = np.isfinite(raw)
    if stored_as == "uint8" and finite.all():
        rectified = np.maximum(raw, 0)
        scale, unit = _scales(rectified)
        return {key: np.rint(rectified / unit * np.float32(255)).astype(np.uint8), key + _SCALE: scale}
    scale, unit = _scales(np.where(finite, raw, np.float32(0)))
    return {key: (raw / unit).astype(np.float16), key + _SCALE: scale}


def _scales(raw: Array) -> tuple[Array, Array]:
    """The largest magnitude of each map, 1 where that is 0: as it is kept, and in the shape to divide by."""
    largest = np.abs(raw).max(axis=tuple(range(2, raw.ndim)), initial=0)
    scale = np.where(largest > 0, largest, np.float32(1))
    return scale, scale.reshape(*scale.shape, *[1] * (raw.ndim - 2))


def decode(key: str, stored: Mapping[str, Array]) -> Array:
    """The maps (n, T, *S) of one key in float32."""
    values = stored[key]
    if values.dtype == np.float32:
        return values
    scale = stored[key + _SCALE]
    unit = scale.reshape(*scale.shape, *[1] * (values.ndim - scale.ndim))
    return values.astype(np.float32) / np.float32(255 if values.dtype == np.uint8 else 1) * unit


def names_of(key: str) -> tuple[str, str]:
    """The arrays that belong to a key, the second of which may be missing."""
    return key, key + _SCALE


def map_checksums(stored: Mapping[str, Array], keys: Iterable[str], rows: Iterable[int]) -> list[str]:
    """Of the maps of some photographs as they are stored: the names, types, shapes and bytes of each one's row of these keys."""
    names = sorted({name for key in keys for name in names_of(key) if name in stored})
    heads = [f"{name} {stored[name].dtype} {stored[name].shape[1:]}\n".encode() for name in names]
    parts = list(zip(heads, (np.ascontiguousarray(stored[name]) for name in names), strict=True))
    return [_checksum(parts, row) for row in rows]


def _checksum(parts: Sequence[tuple[bytes, Array]], row: int) -> str:
    digest = hashlib.sha256()
    for head, values in parts:
        digest.update(head)
        digest.update(values[row].tobytes())
    return digest.hexdigest()[:16]


def read_maps(folder: Folder, rows: Iterable[Mapping[str, Any]], keys: Sequence[str]) -> list[dict[str, Array]]:
    """The raw maps that each row points to, float32 (T, *S) by key: all keys of its evidence. A file is opened once for the rows
    of it that follow each other.

    Raises:
        DamagedFile: they are lost, or not those that were written with the row.
    """
    files = groupby(rows, key=itemgetter("file"))
    return [maps for file, group in files for maps in _read(folder, file, list(group), keys)]


def _read(
    folder: Folder, file: str, rows: Sequence[Mapping[str, Any]], keys: Sequence[str]
) -> Iterator[dict[str, Array]]:
    with readable(folder, file):
        try:
            stored = _stored(folder, file, keys, [row["row"] for row in rows])
            checksums = map_checksums(stored, keys, range(len(rows)))
        except (SafetensorError, LookupError) as error:
            raise ValueError(f"{type(error).__name__}: {error}") from error
        if checksums != [row["checksum"] for row in rows]:
            raise ValueError("the maps do not match the checksum of their row")
    maps = {key: decode(key, stored) for key in keys}
    return ({key: values[place] for key, values in maps.items()} for place in range(len(rows)))


def _stored(folder: Folder, file: str, keys: Sequence[str], places: Sequence[int]) -> dict[str, Array]:
    names = [name for key in keys for name in names_of(key)]
    if isinstance(folder, Remote):
        fetched = _fetched(folder, file, folder.size(file))
        return {name: fetched[name][places] for name in names if name in fetched}
    with safe_open(folder.url(file), framework="numpy") as opened:
        stored = set(opened.keys())
        slices = {name: opened.get_slice(name) for name in names if name in stored}
        # copies: the file that they are mapped from may change when they have been checked
        return {name: np.concatenate([rows[place : place + 1] for place in places]) for name, rows in slices.items()}


@lru_cache(maxsize=1)
def _fetched(folder: Remote, file: str, size: int | None) -> dict[str, Array]:
    """The last file that came from afar: who reads one of its maps reads the next."""
    return load(folder.read(file))
