"""The bytes of a photograph to an RGB picture, whatever the file holds."""

from __future__ import annotations

import io
import warnings

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from xaikit.draws import warning_filters
from xaikit.errors import DataError


def decode(data: bytes, name: str) -> Image.Image:
    """The upright RGB picture, 8 bits a channel.

    The orientation of the EXIF is obeyed, and of several frames the first is taken. Transparency is laid on white. 16-bit
    grey is divided by 257, so that 65535 is white; float grey must lie in [0, 1]. CMYK goes by Pillow's formula, without its
    colour profile. One picture is decoded at a time; no warnings come out.

    Args:
        data: the content of the file.
        name: what the file is called, for the message.

    Raises:
        DataError: empty, no picture, damaged, cut short, too large to be honest (Pillow's limit against decompression
            bombs), or grey values out of range. The cause is chained.
    """
    if not data:
        raise DataError(f"{name}: expected a picture, got an empty file (0 bytes)")
    try:
        with warning_filters, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data)) as image:
                return _rgb(ImageOps.exif_transpose(image))
    except UnidentifiedImageError as error:
        raise DataError(f"{name}: expected a picture, got {len(data)} bytes of no format known to Pillow") from error
    except Exception as error:  # decoders of damaged bytes raise nearly anything
        raise DataError(f"{name}: cannot be read as a picture: {type(error).__name__}: {error}") from error


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
