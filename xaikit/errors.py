"""What can go wrong, as one tree.

XaikitError
├── ConfigError       a key or value the schema rejects: full key, file and line, nearest valid name
├── PluginError
│   ├── UnknownPlugin     no plugin of that name, the nearest ones are listed
│   ├── PluginConflict    two distributions offer one name
│   └── PluginContract    a plugin promised one thing and returned another
├── LayerNotFound     no such layer, the nearest ones are listed
├── TapError          the layer never ran, ran twice, or returned no tensor
├── Disconnected      the score does not depend on that layer
├── ModelError        the model's own forward raises: in which layer, on what shapes
├── UndeclaredNeed    a method touched evidence it never asked for
├── DataError         unreadable or unlabelled input, by file
└── StoreError        a damaged or foreign run folder
    └── DamagedFile       a file of it is lost, or not what was written
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


class XaikitError(Exception):
    """Every error that xaikit raises on purpose."""


class ConfigError(XaikitError):
    """One or more faults of a configuration.

    ``problems`` holds one line a fault, each ``file:line:column: full.key: what is wrong``.
    """

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class PluginError(XaikitError):
    """A plugin cannot be had; the message names it and its distribution."""


class UnknownPlugin(PluginError):
    """No installed distribution offers that name."""


class PluginConflict(PluginError):
    """Two distributions offer the same name."""


class PluginContract(PluginError):
    """A plugin does not keep the shape its kind asks for."""


class LayerNotFound(XaikitError):
    """The model has no such layer, or none that a map could be drawn on."""


class TapError(XaikitError):
    """A layer never ran, ran more than once, or returned no tensor to explain."""


class Disconnected(XaikitError):
    """The score does not depend on the layer, or on nothing that can be differentiated."""


class ModelError(XaikitError):
    """The model's own forward raises; the message says in which layer, and the shapes that this was given."""


class UndeclaredNeed(XaikitError):
    """A method read evidence that its ``needs`` do not name."""


class DataError(XaikitError):
    """An input cannot be read, or its label cannot be matched; the message names the file."""


class StoreError(XaikitError):
    """A run folder is damaged, or belongs to another configuration."""


class DamagedFile(StoreError):
    """A file of a run folder is lost, or not what was written; ``file`` is its name there, ``problem`` what is wrong."""

    def __init__(self, folder: object, file: str, problem: object) -> None:
        self.file, self.problem = file, str(problem)
        super().__init__(f"{folder}/{file}: damaged: {problem}; `xaikit run` with the config of the run makes it anew")


def declared(plugin: object, member: str, default: T, holds: Callable[[Any], bool], expected: str) -> T:
    """What a plugin declares under an optional member; the default where it has none.

    Raises:
        PluginContract: it is not of the kind that is expected.
    """
    value: T = getattr(plugin, member, default)
    if value is not default and not holds(value):
        raise PluginContract(f"{member}: expected {expected}, got {value!r}")
    return value


def is_count(value: object, least: int) -> bool:
    """Whether a value is a whole number, and large enough."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def is_truth(value: object) -> bool:
    """Whether a value is True or False."""
    return isinstance(value, bool)


def nearest(name: str, existing: Iterable[str]) -> str:
    """What to say after an unknown name: the likeliest spelling, else what there is.

    >>> nearest("layr4", ["layer3", "layer4"])
    "did you mean 'layer4' or 'layer3'?"
    >>> nearest("GradCAM", ["gradcam", "layercam"])
    "did you mean 'gradcam'?"
    >>> nearest("zzz", ["gradcam", "layercam"])
    'known: gradcam, layercam'
    """
    names = [str(other) for other in existing]
    folded = {other.casefold(): other for other in names}
    close = [folded[match] for match in difflib.get_close_matches(str(name).casefold(), folded, n=3, cutoff=0.6)]
    if close:
        return "did you mean " + " or ".join(f"'{other}'" for other in close) + "?"
    shown = ", ".join(sorted(names)[:12]) + (" ..." if len(names) > 12 else "")
    return f"known: {shown}" if names else "there are none"
