"""The points of a sweep as rows of numbers."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from xaikit.config.faults import Path
from xaikit.config.schema import SweepConfig
from xaikit.config.values import spelling

OWN = -1
"""Instead of the number of a value: what the config itself says."""


@dataclass(frozen=True)
class Grid:
    """Every point as the numbers of its values, one a key; a config without a sweep has one point and no key.

    values  of each key, all different
    places  where each value was written
    """

    keys: tuple[str, ...]
    values: tuple[tuple[Any, ...], ...]
    places: tuple[tuple[Path, ...], ...]
    points: tuple[tuple[int, ...], ...]


def grid_of(sweep: SweepConfig) -> Grid:
    """The product of the axes less what is excluded, and what is included behind it; the last axis turns fastest."""
    table = _Table()
    dimensions = [[(number,) for number in table.axis(key, ("sweep", key), sweep.axes[key])] for key in sweep.axes]
    for index, entry in enumerate(sweep.zip):
        tied = [table.axis(key, ("sweep", "zip", index, key), values) for key, values in entry.items()]
        dimensions += [list(zip(*tied, strict=True))] if tied else []
    varied = len(table.keys)
    drops = [table.drop(entry) for entry in sweep.exclude]
    added = [table.entry(("sweep", "include", index), entry) for index, entry in enumerate(sweep.include)]
    own = (OWN,) * (len(table.keys) - varied)
    rows = (tuple(itertools.chain.from_iterable(parts)) + own for parts in itertools.product(*dimensions))
    points = [row for row in rows if not any(_matches(row, drop) for drop in drops)]
    points += [tuple(entry.get(key, OWN) for key in table.keys) for entry in added]
    return Grid(tuple(table.keys), table.values, table.places, tuple(points))


def _matches(row: tuple[int, ...], drop: Mapping[int, frozenset[int]]) -> bool:
    return all(row[spot] in numbers for spot, numbers in drop.items())


class _Table:
    """The different values of every key: their numbers, and where each was written first."""

    def __init__(self) -> None:
        self._found: dict[str, dict[str, tuple[int, Any, Path]]] = {}

    @property
    def keys(self) -> list[str]:
        return list(self._found)

    @property
    def values(self) -> tuple[tuple[Any, ...], ...]:
        return tuple(tuple(value for _, value, _ in known.values()) for known in self._found.values())

    @property
    def places(self) -> tuple[tuple[Path, ...], ...]:
        return tuple(tuple(place for _, _, place in known.values()) for known in self._found.values())

    def number(self, key: str, place: Path, value: Any) -> int:
        """The number of a value; a new one where it has none."""
        known = self._found.setdefault(key, {})
        return known.setdefault(spelling(value), (len(known), value, place))[0]

    def axis(self, key: str, place: Path, values: Sequence[Any]) -> list[int]:
        return [self.number(key, (*place, index), value) for index, value in enumerate(values)]

    def entry(self, place: Path, entry: Mapping[str, Any]) -> dict[str, int]:
        return {key: self.number(key, (*place, key), value) for key, value in entry.items()}

    def drop(self, entry: Mapping[str, Sequence[Any]]) -> dict[int, frozenset[int]]:
        """The numbers that an exclusion means, by the place of their key in a row."""
        spots = {key: spot for spot, key in enumerate(self._found)}
        return {
            spots[key]: frozenset(self._found[key][spelling(value)][0] for value in values)
            for key, values in entry.items()
        }
