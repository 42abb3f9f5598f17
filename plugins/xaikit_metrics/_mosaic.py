"""Mosaics: several photographs side by side in one input, n along each side."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate


def mosaic(tiles: Tensor, side: int) -> Tensor:
    """Photographs (N, side * side, C, H, W), row by row, as one input (N, C, side * H, side * W)."""
    count, _, channels, high, wide = tiles.shape
    rows = tiles.reshape(count, side, side, channels, high, wide).permute(0, 3, 1, 4, 2, 5)
    return rows.reshape(count, channels, side * high, side * wide)


def cell(place: Tensor, side: int, space: Sequence[int]) -> Tensor:
    """Where the cell at a place (N,) of a mosaic lies in a map of it, (N, 1, H, W) of bool: a pixel counts as its middle does."""
    rows, columns = (
        ((torch.arange(size, device=place.device) + 0.5) * side / size).long().clamp(max=side - 1) for size in space
    )
    inside = (rows[None] == place[:, None] // side)[:, :, None] & (columns[None] == place[:, None] % side)[:, None]
    return inside.unsqueeze(1)


def shrunk(inputs: Tensor, space: Sequence[int]) -> Tensor:
    """Inputs (N, C, H, W) at another size, averaged over what becomes one pixel."""
    return interpolate(inputs, size=list(space), mode="bilinear", antialias=True, align_corners=False)
