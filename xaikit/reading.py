"""The bytes of a picture file to an RGB picture, whatever the file holds."""

from __future__ import annotations

import io
import warnings

import numpy as np
from PIL import Image, ImageOps

from xaikit.errors import DataError

PAPER = (255, 255, 255)


def decode(data: bytes, name: str) -> Image.Image:
    """Read a picture as RGB.

    The EXIF orientation is obeyed; transparency lies on white; grey, palette, CMYK and 16-bit pictures are made
    RGB (16-bit ones scaled from 0 ... 65535 to 0 ... 255).

    Args:
        data: the bytes of the file.
        name: what the picture is called in an error.

    Raises:
        DataError: empty, truncated, corrupt, too large to be one, or no picture at all.
    """
    if not data:
        raise DataError(f"{name}: the file is empty")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            warnings.filterwarnings("ignore", category=UserWarning)  # of damaged metadata: the pixels decide
            with Image.open(io.BytesIO(data)) as image:
                image.load()
                return _rgb(ImageOps.exif_transpose(image))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(f"{name}: too many pixels to be a photograph: {error}") from error
    except Exception as error:  # Pillow's plugins raise whatever they stumble over
        raise DataError(f"{name}: cannot be read as a picture: {type(error).__name__}: {error}") from error


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        return _from_deep(image)
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        opaque = image.convert("RGBA")
        paper = Image.new("RGBA", opaque.size, (*PAPER, 255))
        return Image.alpha_composite(paper, opaque).convert("RGB")
    return image.convert("RGB")


def _from_deep(image: Image.Image) -> Image.Image:
    """Grey of more than eight bits; Pillow's own conversion would clip at 255."""
    values = np.asarray(image).astype(np.float64)
    top = 65535 if image.mode.startswith("I") else max(float(values.max()), 1.0)
    grey = np.clip(values / top * 255, 0, 255).round().astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")
