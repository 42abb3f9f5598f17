"""The bytes of a photograph to a picture of as many channels as the model takes, whatever the file holds."""

from __future__ import annotations

import io
import warnings

import numpy as np
from PIL import Image, ImageOps, JpegImagePlugin, UnidentifiedImageError
from torch import Tensor

from xaikit.bench.bands import bands_of, is_of_bands, read_bands
from xaikit.draws import warning_filters
from xaikit.errors import DataError
from xaikit.schema.data import MAX_PIXELS


def decode(data: bytes, name: str, channels: int = 3, max_pixels: int = MAX_PIXELS) -> Image.Image | Tensor:
    """The upright picture: of three channels RGB, of one grey, both of 8 bits; else its bands (channels, H, W) in [0, 1].

    The orientation of the EXIF is obeyed, and of several frames the first is taken. Transparency is laid on white. 16-bit
    grey is divided by 257, so that 65535 is white; float grey must lie in [0, 1]. CMYK goes by Pillow's formula, without its
    colour profile. One picture is decoded at a time; no warnings come out. Arrays of NumPy (.npy) and TIFF files of other
    than one or three channels are bands, whole numbers divided by the largest of their type; see :mod:`xaikit.bench.bands`.

    Args:
        data: the content of the file.
        name: what the file is called, for the message.
        max_pixels: of the picture. A JPEG of more is decoded at half, a quarter or an eighth of its sides.

    Returns:
        The picture, ``info["size"]`` its width and height in the file, upright; or the bands.

    Raises:
        DataError: empty, no picture, damaged, cut short, of more pixels, or grey values out of range. The cause is chained.
    """
    if not data:
        raise DataError(f"{name}: expected a picture, got an empty file (0 bytes)")
    if is_of_bands(data, channels):
        return read_bands(data, name, channels)
    try:
        with warning_filters, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with _opened(data) as image:
                size = image.size
                _limit(image, max_pixels)
                upright = ImageOps.exif_transpose(image)
                decoded = as_channels(upright, channels)
                if isinstance(decoded, Image.Image):
                    decoded.info["size"] = size if upright.size == image.size else size[::-1]
                return decoded
    except DataError as error:
        raise DataError(f"{name}: {error}") from error
    except UnidentifiedImageError as error:
        raise DataError(f"{name}: expected a picture, got {len(data)} bytes of no format known to Pillow") from error
    except Exception as error:  # decoders of damaged bytes raise nearly anything
        raise DataError(f"{name}: cannot be read as a picture: {type(error).__name__}: {error}") from error


def _opened(data: bytes) -> Image.Image:
    """Whatever its size: Pillow's own limit is for all pictures of a process. Called by one thread at a time."""
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        return Image.open(io.BytesIO(data))
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _limit(image: Image.Image, max_pixels: int) -> None:
    """Have a JPEG of too many pixels decoded at reduced size. Raises DataError where the picture has too many still."""
    wide, high = image.size
    if isinstance(image, JpegImagePlugin.JpegImageFile) and wide * high > max_pixels:
        part = next((part for part in (2, 4, 8) if -(-wide // part) * -(-high // part) <= max_pixels), 8)
        image.draft(None, (wide // part, high // part))
    if image.width * image.height > max_pixels:
        raise DataError(
            f"{wide} x {high} pixels are more than {max_pixels}, which a small file may pretend to hold; where this one is "
            f"honest, write data: {{max_pixels: {wide * high}}}, or give xaikit.explain the picture that Pillow opens"
        )


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
