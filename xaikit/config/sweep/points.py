"""What the points of a sweep say, read part by part: each part once for every combination of values that it sees.

A value is applied to what was written, without shorthand but before anything else was resolved, just as an override would be.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import itemgetter
from pathlib import Path as FilePath
from typing import Any

from xaikit.config.faults import Fault, Faults, Mark, Path, path_of
from xaikit.config.interpolation import ANYTHING, is_interpolated, references, resolve
from xaikit.config.layers import Layer, merge
from xaikit.config.plugins import Reader
from xaikit.config.shorthand import settle
from xaikit.config.sweep.grid import OWN, Grid
from xaikit.config.sweep.parts import Part, general_parts, label_parts, labels
from xaikit.registry import Registry

Chosen = Mapping[int, int]
"""The number of a value by the place of its key in a row of the grid."""


@dataclass(frozen=True)
class Column:
    """One part of every point.

    values   what was read, once for every combination of values of the keys that the part sees
    numbers  for every point, which of the values it has
    spots    the places of these keys in a row of the grid
    rows     the combinations
    faults   what is wrong with each
    again    what would be wrong where some keys have these values and the others are as the config has them
    """

    values: Sequence[Any]
    numbers: Sequence[int]
    spots: tuple[int, ...]
    rows: Sequence[tuple[int, ...]]
    faults: Sequence[Sequence[Fault]]
    again: Callable[[Chosen], Sequence[Fault]]


@dataclass(frozen=True)
class Read:
    """All points of a sweep: labels, what they say for all labels and for each; see :mod:`xaikit.config.sweep.parts`."""

    labels: Column
    general: Mapping[str, Column]
    methods: Mapping[str, Mapping[str, Column]]

    def columns(self) -> Iterator[Column]:
        """Every column, those for all labels first."""
        yield self.labels
        yield from self.general.values()
        for columns in self.methods.values():
            yield from columns.values()


@dataclass(frozen=True)
class Points:
    """The points of a grid over what a config's files, mapping and overrides say.

    known  the faults of the config without its sweep; they are not found again
    """

    layer: Layer
    grid: Grid
    registry: Registry
    base: FilePath
    known: Sequence[Fault] = ()

    def read(self) -> Read:
        """Every part of every point."""
        found = self._labels()
        every = dict.fromkeys(label for stated in found.values for label in stated)
        general = {name: self._column(part) for name, part in general_parts().items()}
        own = {label: label_parts(label, label in self._stated) for label in every}
        methods = {label: {name: self._column(part) for name, part in own[label].items()} for label in every}
        return Read(found, general, methods)

    def _labels(self) -> Column:
        # what is said of a label that is there neither adds one nor changes their order, unless it is another plugin
        moves = [
            spot
            for spot, path in enumerate(self._paths)
            if path[0] == "methods" and (len(path) < 3 or path[2:] == ("use",) or path[1] not in self._stated)
        ]
        return self._column(Part(labels, (("methods",),)), moves)

    def _column(self, part: Part, seen: Sequence[int] | None = None) -> Column:
        if seen is None:
            seen = [spot for spot, path in enumerate(self._paths) if part.sees(path)]
        roots, spots = self._reach(part, seen)
        picked = _picked(self.grid.points, spots)
        numbers = {row: number for number, row in enumerate(dict.fromkeys(picked))}
        found = [self._read(part, roots, dict(zip(spots, row, strict=True))) for row in numbers]
        return Column(
            values=[value for value, _ in found],
            numbers=list(map(numbers.__getitem__, picked)),
            spots=spots,
            rows=tuple(numbers),
            faults=[faults for _, faults in found],
            again=lambda chosen: self._read(part, roots, chosen)[1],
        )

    @cached_property
    def _stated(self) -> Collection[str]:
        """The labels of the config itself, as far as they are written out."""
        methods = self.layer.plain.get("methods")
        return methods.keys() if isinstance(methods, Mapping) else ()

    @cached_property
    def _paths(self) -> list[Path]:
        return [path_of(key) or () for key in self.grid.keys]

    def _reach(self, part: Part, seen: Sequence[int]) -> tuple[frozenset[str] | None, tuple[int, ...]]:
        """The top-level keys that interpolations in a part lead to, None where it has none; and all that it depends on."""
        plain, values = self.layer.plain, self.grid.values
        own = [self._looked_at(part), *(list(values[spot]) for spot in seen)]
        if not is_interpolated(own):
            return None, tuple(seen)
        roots, waiting = set[str](), set(references(own))
        while waiting:
            waiting |= (plain.keys() if ANYTHING in waiting else set()) - roots
            root = waiting.pop()
            roots.add(root)
            swept = [list(values[spot]) for spot, path in enumerate(self._paths) if path[0] == root]
            waiting |= references([plain.get(root), *swept]) - roots
        also = {spot for spot, path in enumerate(self._paths) if path[0] in roots}
        return frozenset(roots), tuple(sorted(also.union(seen)))

    def _looked_at(self, part: Part) -> dict[str, Any]:
        """As much of what was written as a part looks at, and which plugin that is said of."""
        plain = self.layer.plain
        found: dict[str, Any] = {}
        for subtree in part.subtrees:
            use = (*subtree[:2], "use") if subtree[0] == "methods" and len(subtree) > 1 else subtree
            for path in (subtree, use):
                found = _copied(found, plain, path)
        for blind in part.but:
            found = _dropped(found, blind)
        return found

    def _read(self, part: Part, roots: frozenset[str] | None, chosen: Chosen) -> tuple[Any, Sequence[Fault]]:
        """A part where some keys have these values, and what is wrong with it."""
        plain = self.layer.plain
        layer = Layer({**self._looked_at(part), **{key: plain[key] for key in roots or () if key in plain}})
        for spot in sorted(chosen, key=lambda spot: _order(self._paths[spot])):
            if chosen[spot] != OWN:
                layer = self._applied(layer, spot, chosen[spot])
        known = self._still_known(chosen)
        faults = Faults({**self._marks, **layer.marks}, list(known))
        said = layer.plain if roots is None else settle((), resolve(layer, faults), faults)
        value = part.read(Reader(self.registry, self.base, faults), said)
        before = {(fault.path, fault.text) for fault in known}
        return value, [fault for fault in faults.items if (fault.path, fault.text) not in before]

    def _still_known(self, chosen: Chosen) -> Sequence[Fault]:
        """The known faults without those of values that these replace."""
        if not self.known:
            return ()
        whole = [self._paths[spot] for spot, number in chosen.items() if number != OWN and self._replaces(spot, number)]
        return [fault for fault in self.known if not any(fault.path[: len(path)] == path for path in whole)]

    def _replaces(self, spot: int, number: int) -> bool:
        return not isinstance(self.grid.values[spot][number], Mapping)

    def _applied(self, layer: Layer, spot: int, number: int) -> Layer:
        """As an override applies a value."""
        path, value, place = self._paths[spot], self.grid.values[spot][number], self.grid.places[spot][number]
        marks = {path + inner: mark for inner, mark in self._inside.get(place, {}).items()}
        marks[path] = Faults(self.layer.marks).mark(place)
        if isinstance(value, Mapping) or path[-1] in ("use", "source"):
            for part in reversed(path):
                value = {part: value}
            return merge(layer, Layer(value, marks), Faults())
        # most values are neither, and need no such care: there may be a hundred thousand
        return Layer(_put(layer.plain, path, value), {**layer.marks, **marks})

    @cached_property
    def _marks(self) -> dict[Path, Mark]:
        return {path: mark for path, mark in self.layer.marks.items() if path[:1] != ("sweep",)}

    @cached_property
    def _inside(self) -> dict[Path, dict[Path, Mark]]:
        """Where what stands inside the values of axes was written, by the place of the value."""
        found: dict[Path, dict[Path, Mark]] = {}
        for path, mark in self.layer.marks.items():
            for depth in range(3, len(path)) if path[0:1] == ("sweep",) else ():
                found.setdefault(path[:depth], {})[path[depth:]] = mark
        return found


def _order(path: Path) -> tuple[int, bool]:
    """A whole before its parts, and the plugin before its options."""
    return len(path), path[-1] not in ("use", "source")


def _picked(rows: Sequence[tuple[int, ...]], spots: Sequence[int]) -> list[tuple[int, ...]]:
    if len(spots) == 1:
        return [(row[spots[0]],) for row in rows]
    return list(map(itemgetter(*spots), rows)) if spots else [()] * len(rows)


def _put(plain: Mapping[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """``plain`` with a value that is no mapping at a key; what is no mapping on the way makes room."""
    key, below = str(path[0]), plain.get(str(path[0]))
    if len(path) == 1:
        return {**plain, key: value}
    if isinstance(below, Mapping):
        return {**plain, key: _put(below, path[1:], value)}
    return {other: said for other, said in plain.items() if other != key} | {key: _put({}, path[1:], value)}


def _copied(onto: dict[str, Any], plain: Any, path: Path) -> dict[str, Any]:
    """``onto`` with what stands at a key, or in place of a mapping on the way to it."""
    key = path[0]
    if not isinstance(key, str) or not isinstance(plain, Mapping) or key not in plain:
        return onto
    if len(path) == 1 or not isinstance(plain[key], Mapping):
        return {**onto, key: plain[key]}
    below = onto.get(key, {})
    return {**onto, key: _copied(below, plain[key], path[1:]) if isinstance(below, dict) else below}


def _dropped(plain: dict[str, Any], path: Path) -> dict[str, Any]:
    """``plain`` without what stands at a key."""
    key = path[0]
    if len(path) == 1:
        return {other: value for other, value in plain.items() if other != key}
    below = plain.get(str(key))
    return {**plain, str(key): _dropped(below, path[1:])} if isinstance(below, dict) else plain
