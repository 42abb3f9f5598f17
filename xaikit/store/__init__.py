"""The run folder: what was computed, kept so that nothing is computed twice and nothing is lost."""

from __future__ import annotations

from xaikit.store.maps import MapFormat, decode, encode
from xaikit.store.pictures import open_picture, overlay_name, picture_name, remove_picture, save_picture
from xaikit.store.rows import ROWS, Failure
from xaikit.store.store import Store

__all__ = [
    "ROWS",
    "Failure",
    "MapFormat",
    "Store",
    "decode",
    "encode",
    "open_picture",
    "overlay_name",
    "picture_name",
    "remove_picture",
    "save_picture",
]
