"""Raw maps in few bytes: each map over its largest magnitude, in half precision, the magnitude beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Literal

import pyarrow as pa
import torch
from torch import Tensor

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


def images_as_text(rows: pa.Table) -> str:
    """The photograph of each row of a file of maps, its digest, as the file keeps it; null where nothing reads the maps."""
    images = dict(zip(rows["row"].to_pylist(), rows["image"].to_pylist(), strict=True))
    return json.dumps([images.get(row) for row in range(max(images, default=-1) + 1)])


def images_from_text(text: str) -> Sequence[str | None]:
    """The same, read. Raises ValueError where it is something else."""
    images = json.loads(text)
    if not isinstance(images, list):
        raise ValueError(f"expected a list of photographs, got {text[:80]}")
    return images
