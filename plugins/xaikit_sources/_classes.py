"""The names of a model's outputs in a text file, one a line."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from xaikit import ConfigError
from xaikit_sources._paths import is_file, missing


def read_classes(file: str, where: str) -> tuple[str, ...]:
    """The lines of a text file.

    Raises:
        ConfigError: it does not exist, is no UTF-8, or a line before the last is blank or holds what no name does: an output
            without a name would shift all names behind it.
    """
    path, where = Path(file).expanduser(), f"{where}: classes"
    if not is_file(path):
        raise ConfigError(f"{where}: {missing(file)}")
    try:
        lines = path.read_text(encoding="utf-8-sig").rstrip().split("\n")
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{where}: {file}: expected UTF-8, got another encoding ({error}); save it as UTF-8"
        ) from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            raise ConfigError(f"{where}: {file}:{number}: expected the name of a class, got a blank line")
        if any(unicodedata.category(letter) in ("Cc", "Zl", "Zp") for letter in line.strip()):
            raise ConfigError(f"{where}: {file}:{number}: expected the name of a class, got {line!r}")
    return tuple(line.strip() for line in lines)
