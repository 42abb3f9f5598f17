"""The bytes of a photograph to a picture of as many channels as the model takes, whatever the file holds."""

from __future__ import annotations

import io
import warnings

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from xaikit.bench.bands import bands_of, is_of_bands, read_bands
from xaikit.draws import warning_filters
from xaikit.errors import DataError


def decode(data: bytes, name: str, channels: int = 3) -> Image.Image | Tensor:
    """The upright picture: of three channels RGB, of one grey, both of 8 bits; else its bands (channels, H, W) in [0, 1].

    The orientation of the EXIF is obeyed, and of several frames the first is taken. Transparency is laid on white. 16-bit
    grey is divided by 257, so that 65535 is white; float grey must lie in [0, 1]. CMYK goes by Pillow's formula, without its
    colour profile. One picture is decoded at a time; no warnings come out. Arrays of NumPy (.npy) and TIFF files of other
    than one or three channels are bands, whole numbers divided by the largest of their type; see :mod:`xaikit.bench.bands`.

    Args:
        data: the content of the file.
        name: what the file is called, for the message.

    Raises:
        DataError: empty, no picture, damaged, cut short, too large to be honest (Pillow's limit against decompression
            bombs), or grey values out of range. The cause is chained.
    """
    if not data:
        raise DataError(f"{name}: expected a picture, got an empty file (0 bytes)")
    if is_of_bands(data, channels):
        return read_bands(data, name, channels)
    try:
        with warning_filters, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data)) as image:
                return as_channels(ImageOps.exif_transpose(image), channels)
    except UnidentifiedImageError as error:
        raise DataError(f"{name}: expected a picture, got {len(data)} bytes of no format known to Pillow") from error
    except Exception as error:  # decoders of damaged bytes raise nearly anything
        raise DataError(f"{name}: cannot be read as a picture: {type(error).__name__}: {error}") from error


def as_channels(image: Image.Image, channels: int) -> Image.Image | Tensor:
    """A picture of so many channels, as :func:`decode` makes it. Raises ValueError or DataError where it cannot be."""
    if channels == 3:
        return _rgb(image)
    return _rgb(image).convert("L") if channels == 1 else bands_of(np.asarray(image), channels)


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        image = _grey(np.asarray(image), 65535)
    elif image.mode == "F":
        image = _grey(np.asarray(image), 1)
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba)
    return image.convert("RGB")


def _grey(values: np.ndarray, white: int) -> Image.Image:
    """8-bit grey of values between 0 and ``white``."""
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= white):  # also where they are NaN
        raise ValueError(f"expected grey values between 0 and {white}, got {low} to {high}")
    return Image.fromarray(np.rint(values * (255 / white)).astype(np.uint8))
