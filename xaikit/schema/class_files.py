"""What a config says the outputs of a model are called: a list, a text file, or ImageNet."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path

from xaikit.errors import ConfigError, nearest
from xaikit.plain.options import Located

IMAGENET = "imagenet"
"""In place of a file."""

NAMES = Located(lambda text, base: text != IMAGENET)
"""What else a string is."""


def read_classes(
    stated: str | Sequence[str], base: Path | None = None
) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
    """The names, and the WordNet ids of ImageNet's.

    Args:
        stated: a list of names, a text file with one name a line, or ``imagenet``.
        base: the folder that a file is relative to; the working directory by default.

    Raises:
        ConfigError: the file does not exist, is no UTF-8, or a line before the last is blank or holds what no name does: an
            output without a name would shift all names behind it.
    """
    from xaikit.sources.imagenet import CLASSES, wnids_of  # they come with torchvision

    if stated == IMAGENET:
        return CLASSES, wnids_of(CLASSES)
    names = _read(stated, base or Path()) if isinstance(stated, str) else tuple(stated)
    return names, wnids_of(names)


def _read(file: str, base: Path) -> tuple[str, ...]:
    path = base / Path(file).expanduser()
    if not _is_file(path):
        beside = sorted(other.name for other in path.parent.glob("*.txt")) if "\0" not in file else []
        raise ConfigError(
            f"classes: there is no {file[:80]!r}; in {str(path.parent)[:200]!r}: {nearest(path.name, beside)}; write a text file "
            f"with one name a line, a list of names, or {IMAGENET}"
        )
    try:
        lines = path.read_text(encoding="utf-8-sig").rstrip().split("\n")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"classes: {file}: expected UTF-8, got another encoding ({error}); save it as UTF-8"
        ) from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            raise ConfigError(f"classes: {file}:{number}: expected the name of a class, got a blank line")
        if any(unicodedata.category(letter) in ("Cc", "Zl", "Zp") for letter in line.strip()):
            raise ConfigError(f"classes: {file}:{number}: expected the name of a class, got {line!r}")
    return tuple(line.strip() for line in lines)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
