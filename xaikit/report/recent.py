"""Overlays that were drawn a moment ago, in memory, for the contact sheets to show again."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from threading import Lock

from PIL import Image

ROOM = 192 * 2**20
"""Bytes of pictures that are held."""


class RecentOverlays:
    """By the names of their files, the first ones that there is room for; handed over by several threads."""

    def __init__(self, room: int = ROOM) -> None:
        self._room = room
        self._pictures: dict[str, Image.Image] = {}
        self._lock = Lock()

    def add(self, name: str, picture: Image.Image) -> None:
        """Hold a picture where there is room, and in any case none that lay under this name before."""
        with self._lock:
            self._room += _bytes(self._pictures.pop(name, None))
            if _bytes(picture) <= self._room:
                self._room -= _bytes(picture)
                self._pictures[name] = picture

    @property
    def pictures(self) -> dict[str, Callable[[], Image.Image]]:
        """What gives each, to be looked at and not drawn on, by the name of its file."""
        return {name: partial(_same, picture) for name, picture in self._pictures.items()}


def _bytes(picture: Image.Image | None) -> int:
    return 0 if picture is None else picture.width * picture.height * len(picture.getbands())


def _same(picture: Image.Image) -> Image.Image:
    return picture
