"""What the type of a plugin's option may say of it, in ``Annotated``: that it names files, or classes of the model."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from glob import has_magic
from pathlib import Path
from typing import Annotated, Any

from xaikit.errors import ConfigError

CLASS = "the name of a class"

ClassIndex = Annotated[int | str, CLASS]
"""Of an option of a target: a class by its index or, where the outputs of the model have names, by its name. A target is built
with the name where a config is read, and with the index before it is pinned."""


@dataclass(frozen=True)
class Located:
    """Of an option of a plugin: it names files, and a relative one is given to the plugin from the folder of
    its config. Lists are of such names; of a mapping it is what stands under ``file``.

    is_file  of what may be something else as well, such as the name of published weights: whether a text names a file, given
             that folder
    """

    is_file: Callable[[str, Path], bool] = lambda text, base: True

    def map(self, value: Any, base: Path, change: Callable[[str], str]) -> Any:
        """The value with its relative files changed."""
        if isinstance(value, str):
            is_relative = value and not value.startswith("~") and not os.path.isabs(value) and self.is_file(value, base)
            return change(value) if is_relative else value
        if isinstance(value, Mapping):
            always = Located()
            return {key: always.map(part, base, change) if key == "file" else part for key, part in value.items()}
        return type(value)(self.map(part, base, change) for part in value) if isinstance(value, list | tuple) else value

    def at(self, value: Any, base: Path, option: str) -> Any:
        """The value with its relative files in a folder.

        Raises:
            ConfigError: there is none of that name, but one in the working directory.
        """
        return self.map(value, base, lambda name: _joined(name, base, option))

    def moved(self, value: Any, folder: Path, base: Path) -> Any:
        """What was written in one folder as one would write it in another."""
        if os.path.abspath(folder) == os.path.abspath(base):
            return value
        return self.map(value, folder, lambda name: os.path.relpath(folder / name, base))


def _joined(name: str, base: Path, option: str) -> str:
    joined = os.path.join(base, name)
    file = name.rpartition(":")[0] if name.rpartition(":")[0].endswith(".py") else name
    if has_magic(name) or _exists(os.path.join(base, file)) or not _exists(file):
        return joined
    raise ConfigError(
        f"{option}: there is no {file!r} in {str(base)!r}, the folder of the config, which files are relative to; that of the "
        f"working directory is {os.path.relpath(file, base)!r} there"
    )


def _exists(path: str) -> bool:
    try:
        return os.path.exists(path)
    except ValueError:
        return False


def without_base(name: str, base: Path) -> str:
    """The name of a file as a config in that folder says it.

    >>> without_base("/home/me/exp/photos/a.jpg", Path("/home/me/exp")), without_base("/data/a.jpg", Path("/home/me/exp"))
    ('photos/a.jpg', '/data/a.jpg')
    """
    return name.removeprefix(os.path.join(base, ""))
