"""Which values of a sweep are to blame for what is wrong with its points."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from xaikit.config.faults import Fault, Faults, Path, key_of, path_of
from xaikit.config.sweep.grid import OWN, Grid
from xaikit.config.sweep.points import Chosen, Column, Read
from xaikit.config.text import flow

Row = tuple[int, ...]


def note_faults(read: Read, grid: Grid, faults: Faults, *, together: bool = True) -> None:
    """Note what is wrong with the points of a sweep, at the values that are to blame.

    A value is to blame by itself where the config with it alone is wrong, and so is every point that has it. Else it is a
    combination, which is named; these are left out where not all is known that was said of them (``together``).
    """
    for column in read.columns():
        for rows, fault in _failing(column).values():
            blamed = list(_blamed(column, fault, rows))
            writer = _Writer(fault, grid, faults)
            writer.note_values([chosen for chosen in blamed if len(chosen) < 2])
            several = [chosen for chosen in blamed if len(chosen) > 1]
            if several and together:
                writer.note_combination(several[0], len(several) - 1)


def _failing(column: Column) -> Mapping[tuple[Path, str], tuple[dict[Row, None], Fault]]:
    """The combinations that are wrong, by what is wrong."""
    failing: dict[tuple[Path, str], tuple[dict[Row, None], Fault]] = {}
    for row, faults in zip(column.rows, column.faults, strict=True):
        for fault in faults:
            failing.setdefault((fault.path, fault.text), ({}, fault))[0][row] = None
    return failing


def _blamed(column: Column, fault: Fault, failing: Collection[Row]) -> Iterator[Chosen]:
    """As few values as make the fault, for each combination that has it."""
    rest = list(failing)
    while rest:
        chosen = {spot: number for spot, number in zip(column.spots, rest[0], strict=True) if number != OWN}
        for spot in list(chosen):
            fewer = {other: number for other, number in chosen.items() if other != spot}
            if _makes(column, fewer, fault, failing):
                chosen = fewer
        yield chosen
        rest = [row for row in rest if not _has(column, row, chosen)]


def _makes(column: Column, chosen: Chosen, fault: Fault, failing: Collection[Row]) -> bool:
    """Whether the config with these values alone has the fault, and so has every point that has them."""
    everywhere = all(row in failing for row in column.rows if _has(column, row, chosen))
    return everywhere and any((other.path, other.text) == (fault.path, fault.text) for other in column.again(chosen))


def _has(column: Column, row: Row, chosen: Chosen) -> bool:
    return all(chosen.get(spot, number) == number for spot, number in zip(column.spots, row, strict=True))


@dataclass(frozen=True)
class _Writer:
    """Notes one fault of some points where the values stand that make it."""

    fault: Fault
    grid: Grid
    faults: Faults

    def note_values(self, blamed: list[Chosen]) -> None:
        """Each value by itself; an axis of which every value is wrong in the same way is wrong itself."""
        numbers: dict[int, list[int]] = {}
        for chosen in blamed:
            for spot, number in chosen.items():
                numbers.setdefault(spot, []).append(number)
            if not chosen:
                self.faults.add(self.fault.path, self.fault.text, self.fault.cause)
        for spot, wrong in numbers.items():
            places = {place[:-1] for place in self.grid.places[spot]}
            whole = 1 < len(wrong) == len(self.grid.values[spot]) and len(places) == 1 and not self._inside(spot)
            for place in places if whole else [self.grid.places[spot][number] for number in wrong]:
                self._note(place, spot, "")

    def note_combination(self, chosen: Chosen, more: int) -> None:
        """Values that are wrong together, at the one that what is wrong is closest to."""
        spot = max(chosen, key=lambda spot: (_shared(self._path(spot), self.fault.path), spot))
        said = ", ".join(f"{self.grid.keys[key]}={flow(self.grid.values[key][chosen[key]])}" for key in chosen)
        further = f" and {more} further combinations" if more else ""
        self._note(self.grid.places[spot][chosen[spot]], spot, f"at {said}{further}: ")

    def _note(self, place: Path, spot: int, before: str) -> None:
        path, axis = self.fault.path, self._path(spot)
        if _shared(path, axis) == min(len(path), len(axis)):
            self.faults.add(place + path[len(axis) :], before + self.fault.text, self.fault.cause)
        elif before or not self.faults.is_faulty(place):  # a value that others take over is wrong once
            self.faults.add(place, f"{before}{key_of(path)}: {self.fault.text}", self.fault.cause)

    def _path(self, spot: int) -> Path:
        return path_of(self.grid.keys[spot]) or ()

    def _inside(self, spot: int) -> bool:
        """Whether what is wrong stands inside the value."""
        axis = self._path(spot)
        return len(self.fault.path) > len(axis) and self.fault.path[: len(axis)] == axis


def _shared(one: Path, other: Path) -> int:
    """How many parts two keys begin with in common."""
    return next(
        (place for place, (mine, yours) in enumerate(zip(one, other, strict=False)) if mine != yours),
        min(len(one), len(other)),
    )
