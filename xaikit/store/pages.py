"""The page of a run folder: text whose last line is its checksum, by which it is known to be the run's own."""

from __future__ import annotations

import re
from collections.abc import Mapping

from xaikit.store.checksums import checksum
from xaikit.store.folder import Folder
from xaikit.store.tables import readable

PAGE = "report.html"
PARTS = "report"
"""Where what does not fit into one file lies beside the page."""

_LAST = re.compile(rb"(?:<!--|//) xaikit ([0-9a-f]{64})(?: -->)?\n$")


def save_pages(folder: Folder, files: Mapping[str, str]) -> None:
    """Write a page, the first, and the scripts beside it; what an earlier page of the name had beside it and this one has not is
    removed. Raises OSError where the disk does not take it."""
    for name, text in reversed(list(files.items())):  # the page is there when all that it loads is
        save_page(folder, name, text)
    page = next(iter(files)).removesuffix(".html")
    for name in folder.names(PARTS, ".js"):
        if (
            name not in files
            and re.fullmatch(rf"{PARTS}/{re.escape(page)}-\d+\.js", name)
            and is_own_page(folder, name)
        ):
            folder.remove(name)


def save_page(folder: Folder, name: str, text: str) -> None:
    """Write a page, or a script beside one. Raises OSError where the disk does not take it."""
    content = text.encode()
    mark = f"xaikit {checksum(content)}"
    # made again from the run where it is lost, so that nobody waits for the disk
    with folder.write(name, durable=False) as file:
        file.write(content + (f"<!-- {mark} -->\n" if name.endswith(".html") else f"// {mark}\n").encode())


def run_pages(folder: Folder) -> list[str]:
    """The names of all pages, and of what lies beside them."""
    return [*(name for name in folder.names("", ".html") if "/" not in name), *folder.names(PARTS, ".js")]


def check_page(folder: Folder, name: str) -> None:
    """Raises DamagedFile where a page that a run wrote is not what it was; another's file is nobody's business."""
    with readable(folder, name):
        content = folder.read(name)
        last = _LAST.search(content)
        if last is not None and checksum(content[: last.start()]).encode() != last[1]:
            raise ValueError("its content does not match its checksum")


def is_own_page(folder: Folder, name: str) -> bool:
    """Whether a run wrote a file, by its last line."""
    return _LAST.search(folder.read(name)) is not None
