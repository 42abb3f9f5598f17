"""The PNGs of a run folder. Each bears its own name inside, which marks it as the run's own when the run is begun anew."""

from __future__ import annotations

import io
import re
import zlib

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from xaikit.store.checksums import MARK
from xaikit.store.folder import Folder
from xaikit.store.names import safe_names
from xaikit.store.tables import readable

SHEET = "contact-sheet"
_IMAGE = "xaikit-image"
_NO_PICTURE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError)
"""What Pillow says of what is no picture."""
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def picture_name(stem: str) -> str:
    """Where a photograph lies as the model saw it."""
    return f"pictures/{stem}.png"


def whole_name(stem: str) -> str:
    """Where all of a photograph lies, at the size at which the model's frame was cut out of it."""
    return f"pictures/{stem}.whole.png"


def overlay_name(stem: str, trial: str, column: int) -> str:
    """Where the overlay of a trial lies; the first target of a plural one is column 0."""
    ending = f".{column}" if column else ""
    return f"overlays/{stem}.{safe_names([trial])[trial]}{ending}.png"


def save_picture(folder: Folder, name: str, picture: Image.Image, image: str = "") -> None:
    """Write a PNG under a name such as "overlays/cat.gradcam.png".

    Args:
        image: the digest of the photograph that it shows, for :func:`shown_image`.
    """
    mark = PngInfo()
    mark.add_itxt(MARK, name)
    mark.add_itxt(_IMAGE, image)
    # drawn again from the maps where it is lost, so that nobody waits for the disk
    with folder.write(name, durable=False) as file:
        picture.save(file, format="PNG", pnginfo=mark)


def open_picture(folder: Folder, name: str) -> Image.Image | None:
    """A PNG of the folder in RGB; None where there is none, or none that is whole."""
    data = folder.read(name) if folder.size(name) is not None else b""
    if not _is_whole(data):
        return None
    with Image.open(io.BytesIO(data)) as image:
        return image.convert("RGB")


def shown_image(folder: Folder, name: str) -> str:
    """The digest of the photograph that a PNG of the folder shows; "" where it is no such picture."""
    try:
        with Image.open(io.BytesIO(folder.read(name))) as image:
            return str(image.info.get(_IMAGE, ""))
    except _NO_PICTURE:
        return ""


def check_picture(folder: Folder, name: str) -> None:
    """Raises DamagedFile where a PNG is not whole, by the checksums that its format has."""
    with readable(folder, name):
        if not _is_whole(folder.read(name)):
            raise ValueError("its content does not match its checksums")


def run_pictures(folder: Folder) -> list[str]:
    """The names of all pictures, overlays and contact sheets."""
    names = folder.names("", ".png")
    return [name for name in names if name.startswith(("pictures/", "overlays/")) or is_sheet(name)]


def is_sheet(name: str) -> bool:
    """Whether that is the name of a contact sheet."""
    return re.fullmatch(rf"{SHEET}(-\d+)?\.png", name) is not None


def _is_whole(png: bytes) -> bool:
    """Whether all chunks up to the last one are there, each with its checksum."""
    start, kind = len(_SIGNATURE), b""
    if not png.startswith(_SIGNATURE):
        return False
    while kind != b"IEND":
        end = start + 8 + int.from_bytes(png[start : start + 4])
        kind, stated = png[start + 4 : start + 8], png[end : end + 4]
        if len(stated) < 4 or zlib.crc32(png[start + 4 : end]) != int.from_bytes(stated):
            return False
        start = end + 4
    return True


def remove_picture(folder: Folder, name: str) -> None:
    """Remove a PNG of the run; a file of that name that the run did not write stays."""
    if is_own_picture(folder, name):
        folder.remove(name)


def is_own_picture(folder: Folder, name: str) -> bool:
    """Whether a PNG bears its own name inside."""
    try:
        with Image.open(io.BytesIO(folder.read(name))) as image:
            return bool(image.info.get(MARK) == name)
    except _NO_PICTURE:
        return False
