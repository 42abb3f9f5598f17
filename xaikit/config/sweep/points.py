"""The points of a sweep: a config each, put together of parts that are read once for all points that agree in them.

A value is applied to what was written, without shorthand but before anything else was resolved, just as an override would be.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path as FilePath
from typing import Any

from xaikit.config.interpolation import ANYTHING, is_interpolated, references, resolve
from xaikit.config.layers import Layer, inherit, overlay
from xaikit.config.sweep.grid import UNVARIED, Grid
from xaikit.plain.faults import Fault, Faults, Mark, Path, at, nested, path_of
from xaikit.plain.values import spelling
from xaikit.registry import Registry
from xaikit.schema.plugins import Reader
from xaikit.schema.reading import read_fields, read_methods
from xaikit.schema.sections import VARIES, Config, MethodConfig, SweepConfig
from xaikit.schema.shorthand import settle

Row = tuple[int, ...]
Choice = Mapping[int, int]
"""The number of a value by the place of its key in a row of the grid."""

LABELS: Path = ("methods",)


@dataclass(frozen=True)
class Part:
    """What is read together.

    path   a top-level key, or ``("methods", label)``; :data:`LABELS` are the labels alone
    spots  the places in a row of the grid of the keys that it depends on
    roots  the top-level keys that its interpolations lead to, None where it has none
    """

    path: Path
    spots: tuple[int, ...]
    roots: frozenset[str] | None


@dataclass(frozen=True)
class Column:
    """One part of every point: what was read and what is wrong with it, by the numbers at the part's spots."""

    part: Part
    values: Mapping[Row, Any]
    faults: Mapping[Row, Sequence[Fault]]

    def at(self, row: Row) -> Any:
        """The value of a point."""
        return self.values[tuple([row[spot] for spot in self.part.spots])]


@dataclass(frozen=True)
class Points:
    """All points of a sweep; what has no column is as the config has it."""

    grid: Grid
    columns: Mapping[Path, Column]

    def configs(self, config: Config) -> Iterator[Config]:
        """The config of every point, without a sweep."""
        same = vars(replace(config, sweep=SweepConfig(), loaded=None))
        general = {str(path[0]): column for path, column in self.columns.items() if path[0] != "methods"}
        for row in self.grid.points:
            fields = {key: column.at(row) for key, column in general.items()}
            yield Config(**{**same, **fields, "methods": self._methods(row, config.methods)})

    def _methods(self, row: Row, methods: Mapping[str, MethodConfig]) -> Mapping[str, MethodConfig]:
        labels = self.columns[LABELS].at(row) if LABELS in self.columns else methods
        columns = {label: self.columns.get(("methods", label)) for label in labels}
        return {label: methods[label] if column is None else column.at(row) for label, column in columns.items()}

    def wheres(self, config: Config) -> Iterator[dict[str, Any]]:
        """The value of every key that varies, by point; what a point leaves to the config as that says it, where it does."""
        plain = settle((), config.written(), Faults())
        tables = list(map(partial(_numbered, plain), self.grid.keys, self.grid.values))
        for row in self.grid.points:
            yield {key: table[n] for key, table, n in zip(self.grid.keys, tables, row, strict=True) if n in table}


def _numbered(plain: Mapping[str, Any], key: str, values: Sequence[Any]) -> dict[int, Any]:
    """The values of a key by their numbers, and what the config itself says, if anything; the same value is one object."""
    table = dict(enumerate(values))
    stated = at(plain, path_of(key) or (), table)
    if stated is not table:
        text = spelling(stated)
        table[UNVARIED] = next((value for value in values if spelling(value) == text), stated)
    return table


@dataclass(frozen=True)
class PointReader:
    """Reads the points of a grid.

    layer   what was written, without the sweep
    stated  the faults of the config without its sweep; they are not found again
    """

    layer: Layer
    grid: Grid
    registry: Registry
    base: FilePath
    stated: Sequence[Fault] = ()

    def points(self) -> Points:
        """Every part in which something varies, those of all labels first."""
        general = [self._column((key,)) for key in VARIES if key != "methods"]
        labels = self._column(LABELS)
        every = dict.fromkeys(label for stated in labels.values.values() for label in stated)
        columns = [*general, labels, *(self._column(("methods", label)) for label in every)]
        return Points(self.grid, {column.part.path: column for column in columns if column.part.spots})

    def _column(self, path: Path) -> Column:
        part = self._part(path)
        rows = dict.fromkeys(tuple([row[spot] for spot in part.spots]) for row in self.grid.points)
        read = {row: self.read(part, dict(zip(part.spots, row, strict=True))) for row in rows}
        faults = {row: faults for row, (_, faults) in read.items() if faults}
        return Column(part, {row: value for row, (value, _) in read.items()}, faults)

    def _part(self, path: Path) -> Part:
        """A part with all that it depends on: interpolations lead anywhere, and a label's finish takes over options."""
        near = [spot for spot, axis in enumerate(self.axes) if meet(axis, path)]
        texts = self._written(path)
        if path == LABELS:  # what is said of a label does not matter to which there are
            texts = [text for text in texts if isinstance(text, str)]
        roots = set[str]()
        if len(path) > 1 and "finish" in str([texts, [self.axes[spot] for spot in near]]):
            roots, texts = {"finish"}, texts + self._written(("finish",))
        if interpolated := is_interpolated(texts):
            roots |= self._roots(texts)
        spots = [spot for spot, axis in enumerate(self.axes) if spot in near or axis[0] in roots]
        return Part(path, tuple(spots), frozenset(roots) if interpolated else None)

    def _written(self, path: Path) -> list[Any]:
        """All that is written at a key, or in place of a mapping on the way to it, and the values of all axes there."""
        value: Any = self.layer.plain
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else value
        axes = zip(self.axes, self.grid.values, strict=True)
        return [value, *(value for axis, values in axes if meet(axis, path) for value in values)]

    def _roots(self, texts: Sequence[Any]) -> frozenset[str]:
        """The top-level keys that interpolations lead to, one through the other."""
        roots = references(texts)
        while more := references([self._written((root,)) for root in roots]) - roots:
            roots |= more
        return roots.union(self.layer.plain, [str(axis[0]) for axis in self.axes]) if ANYTHING in roots else roots

    def read(self, part: Part, choice: Choice) -> tuple[Any, Sequence[Fault]]:
        """A part where some keys have these values and the others are as the config has them; and what is wrong with it."""
        plain, marks, stated = self.layer.plain, dict(self._marks), list(self.stated)
        for spot in sorted(choice, key=lambda spot: _order(self.axes[spot])):
            if choice[spot] == UNVARIED:
                continue
            axis, value = self.axes[spot], self.grid.values[spot][choice[spot]]
            plain = overlay(plain, nested(axis, value), {})
            marks.update(self._marks_of(axis, self.grid.places[spot][choice[spot]]))
            if not isinstance(value, Mapping):  # it takes the place of what was wrong there
                stated = [fault for fault in stated if fault.path[: len(axis)] != axis]
        faults = Faults(marks, list(stated))
        value = _read(part, plain, Reader(self.registry, self.base, faults))
        old = {(fault.path, fault.text) for fault in stated}
        return value, [fault for fault in faults.items if (fault.path, fault.text) not in old]

    @cached_property
    def axes(self) -> list[Path]:
        """The key of every spot as a path."""
        return [path_of(key) or () for key in self.grid.keys]

    @cached_property
    def _marks(self) -> dict[Path, Mark]:
        return {path: mark for path, mark in self.layer.marks.items() if path[:1] != ("sweep",)}

    def _marks_of(self, axis: Path, place: Path) -> dict[Path, Mark]:
        """Where a value and all inside it was written, as if it stood at its key."""
        inside = {axis + path: mark for path, mark in self._inside.get(place, {}).items()}
        return {axis: Faults(self.layer.marks).mark(place), **inside}

    @cached_property
    def _inside(self) -> dict[Path, dict[Path, Mark]]:
        """Where what stands inside the values of axes was written, by the place of the value."""
        inside: dict[Path, dict[Path, Mark]] = {}
        for path, mark in self.layer.marks.items():
            for depth in range(3, len(path)) if path[:1] == ("sweep",) else ():
                inside.setdefault(path[:depth], {})[path[depth:]] = mark
        return inside


def _read(part: Part, plain: Mapping[str, Any], reader: Reader) -> Any:
    """The value of a part; None where nothing is said of it, or something wrong."""
    if part.path == LABELS and isinstance(plain.get("methods"), Mapping):
        return tuple(plain["methods"])
    if part.roots is not None:
        plain = settle((), resolve(Layer(_looked_at(part, plain)), reader.faults), reader.faults)
    key = str(part.path[0])
    if key != "methods":
        return read_fields(reader, {key: plain[key]}).get(key) if key in plain else getattr(Config, key, None)
    methods = plain.get("methods", {})
    if part.path == LABELS:
        return tuple(methods)
    stated = {label: method for label, method in methods.items() if label == part.path[1]}
    inherited = inherit({"finish": plain.get("finish", {}), "methods": stated}, reader.faults)
    return read_methods(reader, LABELS, inherited["methods"]).get(str(part.path[1])) if stated else None


def _looked_at(part: Part, plain: Mapping[str, Any]) -> dict[str, Any]:
    """As much as a part looks at: not what stands for nothing elsewhere."""
    roots = part.roots or ()
    needed = {key: value for key, value in plain.items() if key in (*roots, part.path[0])}
    methods = needed.get("methods")
    if len(part.path) > 1 and "methods" not in roots and isinstance(methods, Mapping):
        needed["methods"] = {label: method for label, method in methods.items() if label == part.path[1]}
    return needed


def meet(one: Path, other: Path) -> bool:
    """Whether one key is the other or stands below it."""
    return all(mine == yours for mine, yours in zip(one, other, strict=False))


def _order(path: Path) -> tuple[int, bool]:
    """A whole before its parts, and the plugin before its options."""
    return len(path), path[-1] not in ("use", "source")
