"""The points of a sweep as rows of numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, product
from typing import Any

from xaikit.plain.faults import Path
from xaikit.plain.values import spelling
from xaikit.schema.sections import SweepConfig

UNVARIED = -1
"""Instead of the number of a value: what the config itself says."""


@dataclass(frozen=True)
class Grid:
    """Every point as the numbers of its values, one a key; a config without a sweep has one point and no key.

    values  of each key, all different
    places  where each value was written first
    """

    keys: tuple[str, ...]
    values: tuple[tuple[Any, ...], ...]
    places: tuple[tuple[Path, ...], ...]
    points: tuple[tuple[int, ...], ...]


def grid_of(sweep: SweepConfig) -> Grid:
    """The product of the axes less what is excluded, and what is included behind it; the last axis turns fastest."""
    numbers = _Numbers()
    axes = [[(n,) for n in numbers.of_axis(key, ("sweep", key), values)] for key, values in sweep.axes.items()]
    for index, entry in enumerate(sweep.zip):
        tied = [numbers.of_axis(key, ("sweep", "zip", index, key), values) for key, values in entry.items()]
        axes += [list(zip(*tied, strict=True))] if tied else []
    varied = len(numbers.table)
    drops = [numbers.of_exclusion(entry) for entry in sweep.exclude]
    included = [numbers.of_entry(("sweep", "include", index), entry) for index, entry in enumerate(sweep.include)]
    rest = (UNVARIED,) * (len(numbers.table) - varied)
    points = [row for parts in product(*axes) if not _is_dropped(row := (*chain.from_iterable(parts), *rest), drops)]
    points += [tuple(entry.get(key, UNVARIED) for key in numbers.table) for entry in included]
    values = tuple(tuple(value for _, value, _ in each.values()) for each in numbers.table.values())
    places = tuple(tuple(place for *_, place in each.values()) for each in numbers.table.values())
    return Grid(tuple(numbers.table), values, places, tuple(points))


def _is_dropped(row: tuple[int, ...], drops: Sequence[Mapping[int, set[int]]]) -> bool:
    return any(all(row[spot] in numbers for spot, numbers in drop.items()) for drop in drops)


class _Numbers:
    """The numbers of the different values of every key; ``table`` has the number, the value and where it stands first."""

    def __init__(self) -> None:
        self.table: dict[str, dict[str, tuple[int, Any, Path]]] = {}

    def of_value(self, key: str, place: Path, value: Any) -> int:
        numbered = self.table.setdefault(key, {})
        return numbered.setdefault(spelling(value), (len(numbered), value, place))[0]

    def of_axis(self, key: str, place: Path, values: Sequence[Any]) -> list[int]:
        return [self.of_value(key, (*place, index), value) for index, value in enumerate(values)]

    def of_entry(self, place: Path, entry: Mapping[str, Any]) -> dict[str, int]:
        return {key: self.of_value(key, (*place, key), value) for key, value in entry.items()}

    def of_exclusion(self, entry: Mapping[str, Sequence[Any]]) -> dict[int, set[int]]:
        """The numbers that an exclusion means, by the spot of their key."""
        spots = {key: spot for spot, key in enumerate(self.table)}
        return {spots[key]: {self.of_value(key, (), value) for value in values} for key, values in entry.items()}
