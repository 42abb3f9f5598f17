"""Which values of a sweep are to blame for what is wrong with its points."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import takewhile

from xaikit.config.sweep.grid import UNVARIED
from xaikit.config.sweep.points import Choice, Column, PointReader, Row, meet
from xaikit.plain.faults import Fault, Faults, Path, key_of
from xaikit.plain.text import flow


def note_faults(column: Column, reader: PointReader, faults: Faults, *, together: bool = True) -> None:
    """Note what is wrong with one part of the points, at the values that are to blame.

    A value is to blame by itself where the config with it alone is wrong, and so is every point that has it. Else it is a
    combination, which is named; these are left out where not all is known that was said of them (``together``).
    """
    failing: dict[tuple[Path, str], tuple[Fault, set[Row]]] = {}
    for row, row_faults in column.faults.items():
        for fault in row_faults:
            failing.setdefault((fault.path, fault.text), (fault, set()))[1].add(row)
    for fault, rows in failing.values():
        blame = _Blame(fault, rows, column, reader, faults)
        choices = list(blame.choices())
        blame.note_values([choice for choice in choices if len(choice) == 1])
        several = [choice for choice in choices if len(choice) > 1]
        if several and together:
            blame.note_combination(several[0], len(several) - 1)


@dataclass(frozen=True)
class _Blame:
    """One fault of one part, and the combinations of values that have it."""

    fault: Fault
    rows: Collection[Row]
    column: Column
    reader: PointReader
    faults: Faults

    def choices(self) -> Iterator[Choice]:
        """As few values as make the fault, for each combination that has it."""
        rest = [row for row in self.column.values if row in self.rows]
        while rest:
            choice = {spot: n for spot, n in zip(self.column.part.spots, rest[0], strict=True) if n != UNVARIED}
            for spot in list(choice):
                fewer = {other: n for other, n in choice.items() if other != spot}
                choice = fewer if fewer and self._makes(fewer) else choice
            yield choice
            rest = [row for row in rest if not self._has(row, choice)]

    def _makes(self, choice: Choice) -> bool:
        """Whether the config with these values alone has the fault, and so has every point that has them."""
        everywhere = all(row in self.rows for row in self.column.values if self._has(row, choice))
        alone = self.reader.read(self.column.part, choice)[1] if everywhere else ()
        return any((fault.path, fault.text) == (self.fault.path, self.fault.text) for fault in alone)

    def _has(self, row: Row, choice: Choice) -> bool:
        return all(choice.get(spot, n) == n for spot, n in zip(self.column.part.spots, row, strict=True))

    def note_values(self, choices: list[Choice]) -> None:
        """Each value by itself; an axis of which every value is wrong in the same way is wrong itself."""
        for spot in dict.fromkeys(spot for choice in choices for spot in choice):
            places, axis = self.reader.grid.places[spot], self.reader.axes[spot]
            wrong = [places[choice[spot]] for choice in choices if spot in choice]
            whole = {place[:-1] for place in places}
            inside = meet(axis, self.fault.path) and len(axis) < len(self.fault.path)
            for place in whole if 1 < len(wrong) == len(places) and len(whole) == 1 and not inside else wrong:
                self._note(place, axis, "")

    def note_combination(self, choice: Choice, more: int) -> None:
        """Values that are wrong together, at the one that what is wrong is closest to."""
        grid, axes = self.reader.grid, self.reader.axes
        spot = max(choice, key=lambda spot: (_shared(axes[spot], self.fault.path), spot))
        values = ", ".join(f"{grid.keys[spot]}={flow(grid.values[spot][n])}" for spot, n in choice.items())
        further = f" and {more} further combinations" if more else ""
        self._note(grid.places[spot][choice[spot]], axes[spot], f"at {values}{further}: ")

    def _note(self, place: Path, axis: Path, before: str) -> None:
        fault = self.fault
        if meet(fault.path, axis):
            self.faults.add(place + fault.path[len(axis) :], before + fault.text, fault.cause)
        elif before or not self.faults.is_faulty(place):  # a value that others take over is wrong once
            self.faults.add(place, f"{before}{key_of(fault.path)}: {fault.text}", fault.cause)


def _shared(one: Path, other: Path) -> int:
    """How many parts two keys begin with in common."""
    return len(list(takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))))
