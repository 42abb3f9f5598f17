"""Photographs, small, as a page holds them."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator

from PIL import Image

from xaikit.pictures.volume import MOST, ROW, apart, places
from xaikit.store.folder import Folder
from xaikit.store.pictures import film_name, open_picture, picture_name

SIDE = 224
"""The longer side in pixels; of what is no picture the shorter one."""

Frame = tuple[int, Image.Image]
"""A slice or frame of the sample by its number, and how it looks."""


def frames_of_sample(folder: Folder, stem: str, space: tuple[int, ...]) -> list[Frame]:
    """What there is to show of a sample: one picture, some slices of a volume, all frames of a video; nothing where the run
    has drawn nothing.

    Args:
        space: spatial shape of the model's input.
    """
    picture = open_picture(folder, picture_name(stem))
    if picture is None or len(space) < 3:
        return [] if picture is None else [(0, picture)]
    film = open_picture(folder, film_name(stem))
    return list(enumerate(apart(film, space[0]))) if film is not None else list(_slices(picture, space[0]))


def _slices(montage: Image.Image, count: int) -> Iterator[Frame]:
    """The slices of :func:`xaikit.pictures.volume.montage`."""
    shown = places(count)
    rows, columns = -(-len(shown) // ROW), min(len(shown), ROW)
    wide, high = montage.width // columns, montage.height // rows
    assert len(shown) <= MOST
    for place, number in enumerate(shown):
        left, top = place % ROW * wide, place // ROW * high
        yield number, montage.crop((left, top, left + wide, top + high))


def thumbnail(picture: Image.Image, side: int = SIDE) -> str:
    """A picture as the data URL of a WebP, its longer side at most so long."""
    small = picture.copy()
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    data = io.BytesIO()
    small.save(data, format="WEBP", quality=82, method=2)
    return f"data:image/webp;base64,{base64.b64encode(data.getvalue()).decode()}"
