"""What a config says the outputs of a model are called: a list, a text file, or ImageNet."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Mapping
from numbers import Integral
from pathlib import Path
from typing import Any

from xaikit.errors import ConfigError, nearest
from xaikit.plain.options import Located

IMAGENET = "imagenet"
"""In place of a file."""

NAMES = Located(lambda text, base: text != IMAGENET)
"""What else a string is."""


def read_classes(stated: Any, base: Path | None = None) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
    """The names, and the WordNet ids of ImageNet's.

    Args:
        stated: a list or array of names, a text file with one name a line, or ``imagenet``; or a mapping from the indices of all
            outputs to their names, as ``config.id2label`` of transformers, or from names to indices.
        base: the folder that a file is relative to; the working directory by default.

    Raises:
        ConfigError: the file does not exist, is no UTF-8, or a line before the last is blank or holds what no name does: an
            output without a name would shift all names behind it. There is no name, one is no string, or a mapping leaves an
            output out.
    """
    from xaikit.sources.imagenet import CLASSES, wnids_of  # they come with torchvision

    stated = stated.tolist() if hasattr(stated, "tolist") else stated
    if isinstance(stated, str) and stated == IMAGENET:
        return CLASSES, wnids_of(CLASSES)
    is_file = isinstance(stated, (str, os.PathLike))
    names = _read(os.fspath(stated), base or Path()) if is_file else _names(stated)
    return names, wnids_of(names)


def _names(stated: Any) -> tuple[str, ...]:
    """Those of a list, or of a mapping from or to indices."""
    listed = _by_index(stated) if isinstance(stated, Mapping) else stated
    if isinstance(listed, (set, frozenset, bytes)) or not isinstance(listed, Iterable):
        raise ConfigError(f"classes: expected names in the order of the outputs, got {type(stated).__name__}")
    names = tuple(listed)
    odd = [name for name in names if not isinstance(name, str)]
    if odd or not names:
        got = f"{odd[0]!r} among them" if odd else "none"
        raise ConfigError(f"classes: expected names, one for each output, as strings, got {got}")
    return names


def _by_index(stated: Mapping[Any, Any]) -> list[Any]:
    """The names of a mapping, in the order of their indices."""
    if all(isinstance(name, str) for name in stated.values()):
        pairs = list(stated.items())
    else:
        pairs = [(index, name) for name, index in stated.items()]
    names = {_index(index): name for index, name in pairs}
    if set(names) != set(range(len(stated))):
        shown = ", ".join(f"{key!r}: {value!r}" for key, value in list(stated.items())[:3])
        raise ConfigError(
            f"classes: expected a mapping from each index 0 to {max(len(stated) - 1, 0)} to its name, or from each name to its "
            f"index, got {{{shown}{', ...' if len(stated) > 3 else ''}}}"
        )
    return [names[index] for index in range(len(stated))]


def _index(stated: Any) -> int:
    """A number, or one in digits; -1 for anything else."""
    if isinstance(stated, str) and stated.isdecimal():
        return int(stated)
    return int(stated) if isinstance(stated, Integral) and not isinstance(stated, bool) else -1


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
