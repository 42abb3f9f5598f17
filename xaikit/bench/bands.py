"""Pictures of any number of channels: arrays of NumPy, TIFF files of many bands, and what is shown of them."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from xaikit.errors import DataError

_NPY = b"\x93NUMPY"
_TIFF = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")


def is_of_bands(data: bytes, channels: int) -> bool:
    """Whether a file is no photograph for Pillow: an array, or a TIFF of other than one or three channels."""
    return data.startswith(_NPY) or (channels not in (1, 3) and data.startswith(_TIFF))


def read_bands(data: bytes, name: str, channels: int) -> Tensor:
    """The bands of such a file, float32 (channels, H, W) in [0, 1].

    Raises:
        DataError: damaged, of another number of channels, or with numbers that have no place in [0, 1].
    """
    try:
        file = io.BytesIO(data)
        array = np.load(file, allow_pickle=False) if data.startswith(_NPY) else _read_tiff(file)
        return bands_of(array, channels)
    except DataError as error:
        raise DataError(f"{name}: {error}") from error
    except Exception as error:  # readers of damaged bytes raise nearly anything
        raise DataError(f"{name}: cannot be read as bands: {type(error).__name__}: {error}") from error


def bands_of(array: np.ndarray, channels: int) -> Tensor:
    """An array (H, W), (channels, H, W) or (H, W, channels) as float32 (channels, H, W).

    Whole numbers are divided by the largest of their type; others must lie in [0, 1].

    Raises:
        DataError: another shape, or numbers out of range.
    """
    if array.ndim == 2:
        array = array[None]
    places = [axis for axis in (0, -1) if array.ndim == 3 and array.shape[axis] == channels]
    if len(places) != 1:
        raise DataError(
            f"expected {channels} channels, first or last, got an array of shape {array.shape}; data.transform.channels "
            "says how many the model takes"
        )
    largest = np.iinfo(array.dtype).max if np.issubdtype(array.dtype, np.integer) else 1
    low, high = array.min(), array.max()
    if not (low >= 0 and high <= largest):  # also where they are NaN
        raise DataError(f"expected numbers between 0 and {largest}, got {low} to {high}")
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(array, places[0], 0) / largest, dtype=np.float32))


def preview(bands: Tensor) -> Image.Image:
    """What people are shown of bands (C, H, W): the first three as colours, or the first as grey; the largest value is white."""
    shown = bands[:3] if len(bands) >= 3 else bands[:1].expand(3, -1, -1)
    pixels = (255 * shown / shown.max().clamp(min=1e-12)).round().to(torch.uint8)
    return Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy())


def _read_tiff(file: io.BytesIO) -> np.ndarray:
    try:
        import tifffile
    except ImportError as error:
        raise DataError("TIFF files of many bands need tifffile; install it by: pip install 'xaikit[tiff]'") from error
    array: np.ndarray = tifffile.imread(file)
    return array
