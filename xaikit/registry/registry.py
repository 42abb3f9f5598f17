"""Names to entry points to plugins, one at a time.

The registry reads metadata and imports only the one module that was asked for, so that a third party's broken or
slow plugin never stands in the way of another, and nothing silently replaces a built-in.
"""

from __future__ import annotations

import copy
import importlib
import importlib.util
import os
import re
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

from xaikit import hookspecs
from xaikit.errors import PluginConflict, PluginError, UnknownPlugin, nearest
from xaikit.registry.kinds import KINDS, check_class
from xaikit.registry.lazy import lazy_module
from xaikit.registry.modules import class_in, module_from_file, summary_of


@dataclass(frozen=True)
class Plugin:
    """A loaded plugin: ``cls`` is the dataclass whose fields are its options."""

    kind: str
    name: str
    cls: type
    distribution: str
    version: str
    module: str


@dataclass(frozen=True)
class Entry:
    """What is known of a plugin without importing it."""

    name: str
    distribution: str
    version: str
    module: str
    summary: str


class Registry:
    """Finds plugins by kind and name among the installed distributions.

    Args:
        entry_points: the entry points to look at; those of all installed distributions by default.
        disabled: distributions, or ``group:name`` pairs, that count as not installed; the comma-separated
            environment variable ``XAIKIT_DISABLE_PLUGINS`` by default.
        paths: whether a plugin may also be a class of any file or module.
    """

    def __init__(
        self,
        entry_points: Iterable[metadata.EntryPoint] | None = None,
        disabled: Iterable[str] | None = None,
        *,
        paths: bool = True,
    ) -> None:
        if disabled is None:
            disabled = os.environ.get("XAIKIT_DISABLE_PLUGINS", "").split(",")
        self._disabled = {_canonical(item) for item in disabled if item.strip()}
        self._points = None if entry_points is None else tuple(entry_points)
        self._groups: dict[str, list[metadata.EntryPoint]] = {}
        self._loaded: dict[tuple[str, str, Path | None], Plugin] = {}
        self._paths = paths
        self._module: Callable[[str], ModuleType] = importlib.import_module

    def without_paths(self) -> Registry:
        """The same, with the files and modules that have been imported, and no others."""
        shut = copy.copy(self)
        shut._loaded, shut._paths = dict(self._loaded), False
        return shut

    def lazy(self) -> Registry:
        """The same, for who computes nothing: of a plugin that is installed no more is executed than is used, so that one whose
        options need no torch imports none."""
        lazy = copy.copy(self)
        lazy._loaded, lazy._module = {}, lazy_module
        return lazy

    def catalogue(self, kind: str) -> tuple[Entry, ...]:
        """The plugins of a kind by name, none of them imported.

        >>> [entry.name for entry in Registry().catalogue("scaler")]
        ['smooth', 'tanh']
        """
        points = sorted(self._group(kind), key=lambda point: (point.name, _distribution(point)))
        return tuple(Entry(point.name, *_owner(point.dist), point.value, summary_of(point.module)) for point in points)

    def names(self, kind: str) -> tuple[str, ...]:
        """The names that ``find`` knows for a kind."""
        return tuple(sorted({point.name for point in self._group(kind)}))

    def find(self, kind: str, use: str, base: Path | None = None) -> Plugin:
        """Load one plugin.

        Args:
            kind: a key of :data:`KINDS`, such as ``"method"``.
            use: a name, ``distribution:name``, ``package.module:Class``, ``./file.py:Class``, or ``./file.py`` where that has
                one class of the kind.
            base: the folder that a relative file is looked for in; the working directory by default.

        Raises:
            UnknownPlugin: nobody offers that name; the nearest names are listed.
            PluginConflict: several distributions offer it.
            PluginContract: it is not the frozen dataclass its kind asks for.
            PluginError: it fails to import; the cause is chained. Or it is of a file or module, and these are not trusted.
        """
        key = (kind, use, base)
        if key not in self._loaded:
            self._loaded[key] = plugin = self._load(kind, use, base)
            if os.environ.get("XAIKIT_TRACE_PLUGINS", "0") != "0":
                print(f"xaikit: {kind} {plugin.name!r} is {plugin.module} of {plugin.distribution}", file=sys.stderr)
        return self._loaded[key]

    def _load(self, kind: str, use: str, base: Path | None) -> Plugin:
        left, colon, right = (use, ":", "") if use.endswith(".py") else use.rpartition(":")
        owner = _canonical(left)
        points = [point for point in self._group(kind) if not left or _canonical(_distribution(point)) == owner]
        offered = {point.name for point in points}
        # a distribution may be named as its package is: then what it offers goes before what the package holds
        if colon and right not in offered and not (offered and "-" in left):
            if not self._paths:
                raise PluginError(f"{kind} {use!r}: {_UNTRUSTED}")
            return _from_path(kind, use, left, right, base, offered)
        return _from_entry_point(kind, _only(kind, right, points), self._module)

    def _group(self, kind: str) -> list[metadata.EntryPoint]:
        """The points of a kind. The disk is asked once: what is installed later is seen by the next process."""
        if kind not in self._groups:
            group = KINDS[kind].group
            points = _installed(tuple(sys.path)).select(group=group) if self._points is None else self._points
            mine = [point for point in points if point.group == group]
            # an editable install beside a checkout on sys.path shows the same distribution twice
            unique = {(point.name, _distribution(point)): point for point in mine}
            self._groups[kind] = [point for point in unique.values() if not self._is_disabled(point)]
        return self._groups[kind]

    def _is_disabled(self, point: metadata.EntryPoint) -> bool:
        return bool({_canonical(_distribution(point)), f"{point.group}:{point.name}"} & self._disabled)


_UNTRUSTED = (
    "expected a plugin that is installed, got one of a file or module: a run folder runs no code. Look at it first; then "
    "xaikit.open(folder, trust=True), or --trust on the command line, imports it"
)


def _only(kind: str, name: str, points: Sequence[metadata.EntryPoint]) -> metadata.EntryPoint:
    """The one point of that name."""
    named = [point for point in points if point.name == name]
    if not named:
        raise UnknownPlugin(f"no {kind} {name!r}; {nearest(name, {point.name for point in points})}")
    if len(named) > 1:
        owners = sorted(_distribution(point) for point in named)
        ways = " or ".join(f"use: {owner}:{name}" for owner in owners)
        raise PluginConflict(f"{kind} {name!r} is offered by {' and '.join(owners)}; write {ways}")
    return named[0]


def _from_entry_point(kind: str, point: metadata.EntryPoint, load: Callable[[str], ModuleType]) -> Plugin:
    where = f"{kind} {point.name!r} ({point.value}, from {' '.join(_owner(point.dist))})"
    module = _import(where, point.module, load)
    cls = hookspecs.returned_by(module, KINDS[kind].hook, where)
    check_class(kind, cls, where)
    return Plugin(kind, point.name, cls, *_owner(point.dist), point.value)


def _from_path(kind: str, use: str, left: str, right: str, base: Path | None, names: Collection[str]) -> Plugin:
    where = f"{kind} {use!r}"
    is_file = left.endswith(".py") or "/" in left
    path = Path(base or ".", left).resolve()
    module = _import(where, path if is_file else left)
    hookspecs.check_api(module, where)
    right = _only_class(kind, path, where) if is_file and not right else right
    cls = getattr(module, right, None)
    if cls is None:
        offered = [*names, *(name for name, value in vars(module).items() if isinstance(value, type))]
        raise UnknownPlugin(f"{where}: {left} has no {right!r}; {nearest(right, offered)}")
    check_class(kind, cls, where)
    return Plugin(kind, right, cls, left, "", module.__name__)


def _only_class(kind: str, path: Path, where: str) -> str:
    try:
        return class_in(path, KINDS[kind].members[-1])
    except LookupError as error:
        raise UnknownPlugin(f"{where}: {error}") from error


def _import(where: str, module: str | Path, load: Callable[[str], ModuleType] = importlib.import_module) -> ModuleType:
    """A module by its dotted name or its file."""
    if isinstance(module, Path) and not module.is_file():
        raise UnknownPlugin(f"{where}: there is no file {module}")
    try:
        return load(module) if isinstance(module, str) else module_from_file(module, "file")
    except (Exception, SystemExit) as error:
        raise PluginError(f"{where} failed to import: {type(error).__name__}: {error}") from error


def _canonical(name: str) -> str:
    """A distribution's name as the packaging tools compare it."""
    return name.strip() if ":" in name else re.sub(r"[-_.]+", "-", name.strip()).lower()


@lru_cache(maxsize=8)
def _installed(path: tuple[str, ...]) -> Any:
    """All entry points on a path, to select from; reading them anew would be most of the time of a small explanation. Their type
    is another before Python 3.12."""
    return metadata.entry_points()


def _distribution(point: metadata.EntryPoint) -> str:
    return _owner(point.dist)[0]


@lru_cache(maxsize=256)
def _owner(distribution: metadata.Distribution | None) -> tuple[str, str]:
    """Name and version, which are read from the disk at every asking otherwise."""
    if distribution is None:
        return "unknown", ""
    return _field(distribution, "name") or "unknown", _field(distribution, "version") or ""


def _field(distribution: metadata.Distribution, name: str) -> str | None:
    # the backport importlib_metadata, which takes Python's place once anything imports it, raises where Python gives None
    try:
        value: str | None = getattr(distribution, name)
    except KeyError:
        return None
    return value
