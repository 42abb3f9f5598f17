"""Where each value was written, and what is wrong with it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from xaikit.errors import ConfigError, PluginConflict
from xaikit.plain.bounds import DEEPEST

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Mark:
    """The place of one value: a file with line and column (from 1), or what stands for one."""

    source: str
    line: int = 0
    column: int = 0
    text: str = ""

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source


DEFAULT, ARGUMENT = Mark("default"), Mark("argument")


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong, and the exception behind it where there is one."""

    mark: Mark
    path: Path
    text: str
    cause: Exception | None = None

    def __str__(self) -> str:
        place = "" if self.mark in (DEFAULT, ARGUMENT) else str(self.mark)
        return ": ".join(part for part in (place, key_of(self.path), self.text) if part)


@dataclass(frozen=True)
class Faults:
    """The marks of a layer, and what has been found wrong so far, which all layers of a config share."""

    marks: dict[Path, Mark] = field(default_factory=dict)
    items: list[Fault] = field(default_factory=list)

    def of(self, marks: dict[Path, Mark]) -> Faults:
        """The same faults, for a layer with other marks."""
        return Faults(marks, self.items)

    def mark(self, path: Path) -> Mark:
        """Where a value was written; for one that was not written, where its nearest ancestor was."""
        while path and path not in self.marks:
            path = path[:-1]
        return self.marks.get(path, ARGUMENT)

    def add(self, path: Path, text: str, cause: Exception | None = None, mark: Mark | None = None) -> None:
        """Note that something is wrong at a key; ``mark`` is the place of it, where that is not the key's own."""
        self.items.append(Fault(mark or self.mark(path), path, text, cause))

    def is_faulty(self, path: Path) -> bool:
        """Whether something at or below a key has been found wrong."""
        return any(fault.path[: len(path)] == path for fault in self.items)

    def close(self) -> None:
        """Raise one ConfigError with every fault, or the PluginConflict that is the only one; nothing where there is none."""
        if not self.items:
            return
        lines = list(dict.fromkeys(str(fault) for fault in sorted(self.items, key=_place)))
        cause = self.items[0].cause if len(lines) == 1 else None
        if isinstance(cause, PluginConflict):
            raise PluginConflict(lines[0]) from cause
        raise ConfigError(lines) from cause


def _place(fault: Fault) -> tuple[bool, str, int, int]:
    """What stands in files first, in the order of their lines."""
    return fault.mark.line == 0, fault.mark.source, fault.mark.line, fault.mark.column


def key_of(path: Path) -> str:
    """A path as one writes it.

    >>> key_of(("methods", "a", "layers", 0))
    'methods.a.layers[0]'
    """
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def path_of(key: str) -> Path | None:
    """The path that a key means, or None where it is not one, or deeper than any.

    >>> path_of("layers[0]"), path_of("layers.0"), path_of("a..b")
    (('layers', 0), ('layers', '0'), None)
    """
    if not re.fullmatch(r"[^.\[\]]+(\.[^.\[\]]+|\[\d+\])*", key):
        return None
    parts = re.findall(r"[^.\[\]]+|\[\d+\]", key)
    return None if len(parts) > DEEPEST else tuple(int(part[1:-1]) if part.startswith("[") else part for part in parts)


def at(value: Any, path: Path, default: Any = None) -> Any:
    """The value at a path of plain mappings and lists."""
    for part in path:
        inside = isinstance(value, Mapping) and part in value
        if not inside and not (isinstance(value, list) and isinstance(part, int) and part < len(value)):
            return default
        value = value[part]
    return value


def nested(path: Path, value: Any) -> Any:
    """The mapping that says a value at a path.

    >>> nested(("a", "b"), 1)
    {'a': {'b': 1}}
    """
    return reduce(lambda inner, key: {key: inner}, reversed(path), value)


def leaves(value: Any, path: Path = ()) -> list[Path]:
    """The paths of all values that are no mapping, and of empty mappings; a list is one value."""
    if not isinstance(value, Mapping) or (not value and path):
        return [path]
    return [leaf for key, child in value.items() for leaf in leaves(child, (*path, key))]


def quoting(value: Any, text: str) -> str:
    """What to add to a complaint about a value that should have been quoted; ``text`` is how it was written."""
    text = text or shown(value)
    if isinstance(value, bool):
        return f'; YAML reads {text} as a boolean: quote it, "{text}"'
    return f'; quote it, "{text}"' if isinstance(value, int | float) else ""


def shown(value: Any) -> str:
    """A value as it stands in an error message: YAML's words, no longer than a line."""
    text = json.dumps(value) if value is None or isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
