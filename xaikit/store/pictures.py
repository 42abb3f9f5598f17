"""The pictures of a run folder. Each bears its own name inside, which marks it as the run's own when the run is begun anew."""

from __future__ import annotations

import io
import json
import re
import zlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, BinaryIO, Literal

from PIL import Image
from PIL.PdfParser import PdfFormatError, PdfParser

from xaikit.errors import StoreError
from xaikit.pictures.png import SIGNATURE, png
from xaikit.store.checksums import MARK, checksum
from xaikit.store.folder import Folder
from xaikit.store.names import safe_names
from xaikit.store.tables import readable

PictureFormat = Literal["png", "jpg", "webp", "pdf", "gif"]
FORMATS: tuple[PictureFormat, ...] = ("png", "jpg", "webp", "pdf", "gif")
SHEET = "contact-sheet"
_IMAGE = "xaikit-image"
_WINDOW = "xaikit-window"
_NO_PICTURE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError, PdfFormatError)
"""What Pillow says of what is no picture."""
_SEAL = 66  # bytes behind the end of what is no PNG


def picture_name(stem: str) -> str:
    """Where a photograph lies as the model saw it."""
    return f"pictures/{stem}.png"


def whole_name(stem: str) -> str:
    """Where all of a photograph lies, at the size at which the model's frame was cut out of it."""
    return f"pictures/{stem}.whole.png"


def film_name(stem: str) -> str:
    """Where all frames of a video lie as the model saw them, one below the other."""
    return f"pictures/{stem}.film.png"


def overlay_name(stem: str, trial: str, column: int, stored_as: PictureFormat = "png") -> str:
    """Where the overlay of a trial lies; the first target of a plural one is column 0."""
    ending = f".{column}" if column else ""
    return f"overlays/{stem}.{_safe_name(trial)}{ending}.{stored_as}"


@lru_cache(maxsize=1024)
def _safe_name(trial: str) -> str:
    # beside what it would be in small letters, which is another file where case counts and the same one elsewhere
    return safe_names([trial, trial.casefold()])[trial]


def sheet_name(page: int, stored_as: PictureFormat) -> str:
    """Where a page of the contact sheet lies; the first one is 0."""
    return f"{SHEET}-{page + 1}.{stored_as}" if page else f"{SHEET}.{stored_as}"


def save_picture(
    folder: Folder,
    name: str,
    picture: Image.Image,
    image: str = "",
    *,
    further: Sequence[Image.Image] = (),
    window: Sequence[float] | None = None,
) -> None:
    """Write a picture under a name such as "overlays/cat.gradcam.png", as its ending says.

    Args:
        image: the digest of the photograph that it shows, for :func:`shown_image`.
        further: pages behind the first one, of a PDF; frames of a GIF.
        window: of a PNG, where in the file of the photograph it lies, for :func:`shown_window`.
    """
    # drawn again from the maps where it is lost, so that nobody waits for the disk
    with folder.write(name, durable=False) as file:
        _write(file, picture, name, image, further, window)


def encoded(
    picture: Image.Image,
    name: str,
    image: str = "",
    *,
    further: Sequence[Image.Image] = (),
    window: Sequence[float] | None = None,
) -> bytes:
    """The content of such a file."""
    data = io.BytesIO()
    _write(data, picture, name, image, further, window)
    return data.getvalue()


def _write(
    file: BinaryIO,
    picture: Image.Image,
    name: str,
    image: str,
    further: Sequence[Image.Image],
    window: Sequence[float] | None,
) -> None:
    """To the file itself, and no buffer: Pillow lets other threads draw while it writes a JPEG to one."""
    marks = {MARK: name, _IMAGE: image} | ({} if window is None else {_WINDOW: json.dumps(list(window))})
    if name.endswith(".png"):
        file.write(png(picture, marks))
    else:
        picture.save(file, **_options(name.rpartition(".")[2], marks, further))
        file.seek(0)
        file.write(_seal(file.read()))


def _seal(content: bytes) -> bytes:
    """The checksum that stands behind the end, where no reader looks: only PNGs have checksums of their own."""
    return b"\n%" + checksum(content).encode()


def _options(stored_as: str, marks: Mapping[str, str], further: Sequence[Image.Image]) -> dict[str, Any]:
    """What Pillow is told."""
    text = json.dumps(marks)
    match stored_as:
        case "jpg":
            return {"format": "JPEG", "quality": 92, "comment": text.encode()}
        case "webp":
            return {"format": "WEBP", "quality": 90, "method": 0, "xmp": text.encode()}
        case "gif":
            film = {"append_images": list(further), "duration": 200, "loop": 0}
            return {"format": "GIF", "save_all": True, "comment": text.encode(), **film}
        case _:
            # without the time of day, so that the same picture is the same file
            about = {"title": "", "keywords": text, "creationDate": None, "modDate": None}
            return {"format": "PDF", "resolution": 144.0, "save_all": True, "append_images": list(further), **about}


def open_picture(folder: Folder, name: str) -> Image.Image | None:
    """A PNG of the folder in RGB; None where there is none, or none that is whole."""
    data = folder.read(name) if folder.size(name) is not None else b""
    if not _is_whole(data):
        return None
    with Image.open(io.BytesIO(data)) as image:
        return image.convert("RGB")


def open_overlay(folder: Folder, name: str) -> Image.Image:
    """A picture of any format but PDF, in RGB. Raises StoreError where it cannot be opened."""
    try:
        with Image.open(io.BytesIO(folder.read(name))) as image:
            return image.convert("RGB")
    except _NO_PICTURE as error:
        raise StoreError(f"{folder}/{name}: cannot be opened as a picture: {error}") from error


def shown_image(folder: Folder, name: str) -> str:
    """The digest of the photograph that a picture of the folder shows; "" where it is no such picture."""
    return str(_marks(folder, name).get(_IMAGE, ""))


def shown_window(folder: Folder, name: str) -> tuple[float, ...] | None:
    """Width and height of the file of a photograph, and x0, y0, x1, y1 in its pixels, where a PNG of the folder lies in it; None
    where that is not known."""
    text = _marks(folder, name).get(_WINDOW) if folder.size(name) is not None else None
    return None if text is None else tuple(json.loads(text))


def check_picture(folder: Folder, name: str) -> None:
    """Raises DamagedFile where a picture is not whole, by its checksums."""
    with readable(folder, name):
        data = folder.read(name)
        if not (_is_whole(data) if name.endswith(".png") else _seal(data[:-_SEAL]) == data[-_SEAL:]):
            raise ValueError("its content does not match its checksums")


def run_pictures(folder: Folder) -> list[str]:
    """The names of all pictures, overlays and contact sheets."""
    names = picture_files(folder)
    return [name for name in names if name.startswith(("pictures/", "overlays/")) or is_sheet(name)]


def picture_files(folder: Folder, below: str = "") -> list[str]:
    """The names of all files at or below a place whose endings are those of pictures."""
    return [name for name in folder.names(below) if name.rpartition(".")[2] in FORMATS]


def is_sheet(name: str) -> bool:
    """Whether that is the name of a contact sheet."""
    return re.fullmatch(rf"{SHEET}(-\d+)?\.({'|'.join(FORMATS)})", name) is not None


def _is_whole(png: bytes) -> bool:
    """Whether all chunks up to the last one are there, each with its checksum."""
    start, kind = len(SIGNATURE), b""
    if not png.startswith(SIGNATURE):
        return False
    while kind != b"IEND":
        end = start + 8 + int.from_bytes(png[start : start + 4])
        kind, stated = png[start + 4 : start + 8], png[end : end + 4]
        if len(stated) < 4 or zlib.crc32(png[start + 4 : end]) != int.from_bytes(stated):
            return False
        start = end + 4
    return True


def remove_picture(folder: Folder, name: str) -> None:
    """Remove a picture of the run; a file of that name that the run did not write stays."""
    if is_own_picture(folder, name):
        folder.remove(name)


def is_own_picture(folder: Folder, name: str) -> bool:
    """Whether a picture bears its own name inside."""
    return _marks(folder, name).get(MARK) == name


def _marks(folder: Folder, name: str) -> Mapping[Any, Any]:
    """What a picture says of itself; empty where a run did not write it, or it is no picture."""
    try:
        data = folder.read(name)
        if name.endswith(".pdf"):
            return _read_marks(getattr(PdfParser(buf=data[:-_SEAL]).info, "Keywords", ""))
        with Image.open(io.BytesIO(data)) as image:
            info = image.info
            return info if name.endswith(".png") else _read_marks(info.get("comment") or info.get("xmp") or "")
    except _NO_PICTURE:
        return {}


def _read_marks(text: str | bytes) -> Mapping[str, Any]:
    marks = json.loads(text)
    return marks if isinstance(marks, dict) else {}
