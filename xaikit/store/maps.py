"""Raw maps in few bytes: each map over its largest magnitude, in half precision, the magnitude beside it; and their files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load
from torch import Tensor

from xaikit.store.folder import Folder, Remote
from xaikit.store.tables import readable

MapFormat = Literal["float16", "uint8", "float32"]
"""How raw maps are kept. float16: signed, to 0.05 % of the largest value. uint8: what a ReLU leaves, in 255 steps. float32: as
they are."""
_SCALE = ".scale"


def encode(key: str, raw: Tensor, stored_as: MapFormat) -> dict[str, Tensor]:
    """The tensors of a file for the raw maps (n, T, *S) of one key.

    NaN and infinite values stay where they are; they do not take part in the scale. A byte has no NaN: with uint8 maps that
    are not finite are kept in half precision.
    """
    raw = raw.detach().to("cpu", torch.float32)
    if stored_as == "float32":
        # a file takes no tensors that share memory
        return {key: raw.clone(memory_format=torch.contiguous_format)}
    finite = raw.isfinite()
    if stored_as == "uint8" and bool(finite.all()):
        rectified = raw.clamp_min(0)
        scale, unit = _scales(rectified)
        return {key: (rectified / unit * 255).round().to(torch.uint8).contiguous(), key + _SCALE: scale}
    scale, unit = _scales(raw.where(finite, 0))
    return {key: (raw / unit).to(torch.float16).contiguous(), key + _SCALE: scale}


def _scales(raw: Tensor) -> tuple[Tensor, Tensor]:
    """The largest magnitude of each map, 1 where that is 0: as it is kept, and in the shape to divide by."""
    largest = raw.flatten(2).abs().amax(2)
    scale = largest.where(largest > 0, 1)
    return scale, scale.reshape(*scale.shape, *[1] * (raw.dim() - 2))


def decode(key: str, stored: Mapping[str, Tensor]) -> Tensor:
    """The maps (n, T, *S) of one key in float32."""
    values = stored[key]
    if values.dtype == torch.float32:
        return values
    scale = stored[key + _SCALE]
    unit = scale.reshape(*scale.shape, *[1] * (values.dim() - scale.dim()))
    return values.float() / (255 if values.dtype == torch.uint8 else 1) * unit


def names_of(key: str) -> tuple[str, str]:
    """The tensors that belong to a key, the second of which may be missing."""
    return key, key + _SCALE


def map_checksums(stored: Mapping[str, Tensor], keys: Iterable[str], rows: Iterable[int]) -> list[str]:
    """Of the maps of some photographs as they are stored: the names, types, shapes and bytes of each one's row of these keys."""
    names = sorted({name for key in keys for name in names_of(key) if name in stored})
    heads = [f"{name} {stored[name].dtype} {tuple(stored[name].shape[1:])}\n".encode() for name in names]
    parts = list(zip(heads, (np.ascontiguousarray(stored[name].numpy()) for name in names), strict=True))
    return [_checksum(parts, row) for row in rows]


def _checksum(parts: Sequence[tuple[bytes, np.ndarray]], row: int) -> str:
    digest = hashlib.sha256()
    for head, values in parts:
        digest.update(head)
        digest.update(values[row].tobytes())
    return digest.hexdigest()[:16]


def read_maps(folder: Folder, row: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Tensor]:
    """The raw maps that a row points to, float32 (T, *S) by key: all keys of its evidence.

    Raises:
        DamagedFile: they are lost, or not those that were written with the row.
    """
    file, place = row["file"], row["row"]
    with readable(folder, file):
        try:
            stored = _stored(folder, file, keys, slice(place, place + 1))
            (found,) = map_checksums(stored, keys, [0])
        except (SafetensorError, LookupError) as error:
            raise ValueError(f"{type(error).__name__}: {error}") from error
        if found != row["checksum"]:
            raise ValueError("the maps do not match the checksum of their row")
    return {key: decode(key, stored)[0] for key in keys}


def _stored(folder: Folder, file: str, keys: Sequence[str], rows: slice) -> dict[str, Tensor]:
    names = [name for key in keys for name in names_of(key)]
    if isinstance(folder, Remote):
        fetched = _fetched(folder, file, folder.size(file))
        return {name: fetched[name][rows].clone() for name in names if name in fetched}
    with safe_open(folder.url(file), framework="pt") as opened:
        stored = set(opened.keys())
        # a copy: the file that it is mapped from may change when it has been checked
        return {name: opened.get_slice(name)[rows].clone() for name in names if name in stored}


@lru_cache(maxsize=1)
def _fetched(folder: Remote, file: str, size: int | None) -> dict[str, Tensor]:
    """The last file that came from afar: who reads one of its maps reads the next."""
    return load(folder.read(file))
