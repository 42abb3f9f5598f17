"""PNGs of photographs, in a fifth of the time that Pillow takes for the same number of bytes.

Pillow looks for the best filter of every line; on photographs that of the average (PNG specification, 9.3) is close to it.
What is left is packed faster by ISA-L than by zlib.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image

try:
    from isal.isal_zlib import compress, crc32
except ImportError:  # for a processor that there is no build for
    from zlib import compress, crc32

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_AVERAGE = 3
_LEVEL = 1
"""A low level: a photograph has few repeats, and most of the time would go into looking for them."""
_KINDS = {"L": 0, "RGB": 2}


def png(picture: Image.Image, texts: Mapping[str, str]) -> bytes:
    """A picture as a file, in grey where it is grey and in RGB otherwise, with texts that Pillow gives in its ``info``."""
    picture = picture if picture.mode in _KINDS else picture.convert("RGB")
    head = struct.pack(">IIBBBBB", picture.width, picture.height, 8, _KINDS[picture.mode], 0, 0, 0)
    notes = [_chunk(b"iTXt", key.encode("latin-1") + bytes(5) + text.encode()) for key, text in texts.items()]
    return b"".join([SIGNATURE, _chunk(b"IHDR", head), *notes, _chunk(b"IDAT", _packed(picture)), _chunk(b"IEND", b"")])


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc32(data, crc32(kind)))


def _packed(picture: Image.Image) -> bytes:
    return compress(_filtered(np.asarray(picture).reshape(picture.height, picture.width, -1)), _LEVEL)


def _filtered(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pixels (H, W, channels) without the mean of their left and upper neighbours, each line behind the number of that filter."""
    height, width, channels = pixels.shape
    wide = np.zeros((height + 1, width + 1, channels), np.uint8)
    wide[1:, 1:] = pixels
    lines = wide.reshape(height + 1, -1)
    left, above = lines[1:, :-channels], lines[:-1, channels:]
    filtered = np.full((height, 1 + width * channels), _AVERAGE, np.uint8)
    # half the sum, rounded down, without the ninth bit that the sum would need
    np.subtract(lines[1:, channels:], (left & above) + ((left ^ above) >> 1), out=filtered[:, 1:])
    return filtered
