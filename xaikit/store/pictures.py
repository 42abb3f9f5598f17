"""The PNGs of a run folder. Each bears its own name inside, which marks it as the run's own when the run is begun anew."""

from __future__ import annotations

import io

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from xaikit.store.folder import Folder
from xaikit.store.names import safe_names

MARK = "xaikit"


def picture_name(stem: str) -> str:
    """Where a photograph lies as the model saw it."""
    return f"pictures/{stem}.png"


def overlay_name(stem: str, trial: str, column: int) -> str:
    """Where the overlay of a trial lies; the first target of a plural one is column 0."""
    ending = f".{column}" if column else ""
    return f"overlays/{stem}.{safe_names([trial])[trial]}{ending}.png"


def save_picture(folder: Folder, name: str, picture: Image.Image) -> None:
    """Write a PNG under a name such as "overlays/cat.gradcam.png"."""
    mark = PngInfo()
    mark.add_itxt(MARK, name)
    # drawn again from the maps where it is lost, so that nobody waits for the disk
    with folder.write(name, durable=False) as file:
        picture.save(file, format="PNG", pnginfo=mark)


def open_picture(folder: Folder, name: str) -> Image.Image | None:
    """A PNG of the folder in RGB; None where there is none."""
    if folder.size(name) is None:
        return None
    with Image.open(io.BytesIO(folder.read(name))) as image:
        return image.convert("RGB")


def remove_picture(folder: Folder, name: str) -> None:
    """Remove a PNG of the run; a file of that name that the run did not write stays."""
    if is_own_picture(folder, name):
        folder.remove(name)


def is_own_picture(folder: Folder, name: str) -> bool:
    """Whether a PNG bears its own name inside."""
    try:
        with Image.open(io.BytesIO(folder.read(name))) as image:
            return bool(image.info.get(MARK) == name)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):  # what Pillow says of what is no picture
        return False
