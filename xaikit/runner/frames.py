"""The pictures of one photograph in a run folder: the model's frame, and the whole that it was cut out of."""

from __future__ import annotations

from xaikit.bench.loader import Picture
from xaikit.store.folder import Folder
from xaikit.store.pictures import film_name, picture_name, save_picture, whole_name


def save_pictures(folder: Folder, stem: str, picture: Picture) -> None:
    """A photograph as the model saw it, and all of it where overlays are drawn over that; of a video also all frames."""
    save_picture(folder, picture_name(stem), picture.rgb, picture.digest, window=picture.window)
    if picture.whole is not None:
        save_picture(folder, whole_name(stem), picture.whole.convert("RGB"), picture.digest)
    if picture.frames is not None:
        save_picture(folder, film_name(stem), picture.frames, picture.digest)
