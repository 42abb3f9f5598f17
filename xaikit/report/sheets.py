"""The contact sheets of a run folder, drawn from what lies in it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xaikit.pictures.lettering import FAINT, INK, WARNING, Ink, wrapped
from xaikit.pictures.sheet import HEIGHT, Cell, contact_sheet
from xaikit.report.index import Index
from xaikit.report.lookup import file_name
from xaikit.report.overlays import overlay_name, picture_name
from xaikit.report.record import Record
from xaikit.store import Store, open_picture, remove_picture, save_picture

SHEET = "contact-sheet"


ROWS = 50  # a sheet


MOST_ROWS, MOST_TRIALS = 500, 16
"""What sheets show of a run: the first photographs and trials; more are for a query, not for the eye."""


_SIZE, _MOST = 14, 3  # of the words on a sheet, lines of them below a cell


def write_sheets(index: Index) -> list[str]:
    """Draw the contact sheets of a run from what lies in its folder, fifty rows each.

    Returns:
        Their names: contact-sheet.png, contact-sheet-2.png and so on. Those of an earlier sitting are gone.
    """
    store = index.store
    for old in store.folder.names("", ".png"):
        if is_sheet(old):
            remove_picture(store.folder, old)
    rows = _rows(index)
    trials = list(dict.fromkeys(trial.name for trial in index.trials))[:MOST_TRIALS]
    return [
        _write_sheet(store, start // ROWS + 1, rows[start : start + ROWS], trials)
        for start in range(0, len(rows), ROWS)
    ]


def is_sheet(name: str) -> bool:
    """Whether that is the name of a contact sheet."""
    return re.fullmatch(rf"{SHEET}(-\d+)?\.png", name) is not None


@dataclass(frozen=True)
class _Row:
    """One photograph and place on the target axis: its records by trial, and why others are missing."""

    name: str
    stem: str
    column: int
    records: Mapping[str, Record]
    failed: Mapping[str, str]

    def cells(self, store: Store, trials: Sequence[str]) -> list[Cell]:
        picture = open_picture(store.folder, picture_name(self.stem))
        return [Cell(picture, self._caption()), *(self._cell(store, trial) for trial in trials)]

    def _caption(self) -> list[tuple[str, Ink]]:
        """The name, the predicted class with its probability, and what is explained where that is another."""
        lines = [(file_name(self.name), INK)]
        first = next(iter(self.records.values()), None)
        if first is not None and first.prediction is not None:
            share = "" if first.probability is None else f"{first.probability:.0%} "
            lines.append((share + first.prediction_name, INK))
        if first is not None and not self._targets_differ():
            lines += _explained(first)
        return lines + (_said(self.failed[""]) if "" in self.failed else [])

    def _cell(self, store: Store, trial: str) -> Cell:
        record = self.records.get(trial)
        if record is None:
            return Cell(None, _said(self.failed[trial])) if trial in self.failed else Cell()
        picture = open_picture(store.folder, overlay_name(self.stem, trial, self.column))
        explained = _explained(record) if self._targets_differ() else []
        unfused = [("no fused map", FAINT)] if picture is None else []
        return Cell(picture, [*explained, *_said("; ".join(record.warnings)), *unfused])

    def _targets_differ(self) -> bool:
        return len({(record.target, record.target_name) for record in self.records.values()}) > 1


def _rows(index: Index) -> list[_Row]:
    """The first photographs of the plan that were explained or tried, as they stand on the sheets."""
    order: dict[str, int] = {}
    for known in index.photographs.values():
        for name in known:
            order.setdefault(name, len(order))
    names = list(order)[:MOST_ROWS]
    failed = _failed(index)
    grouped: dict[tuple[int, str], dict[int, dict[str, Record]]] = {}
    for record, _, _ in index.records(index.rows(names=names)):
        columns = grouped.setdefault((order[record.name], record.stem), {})
        columns.setdefault(record.column, {})[record.trial] = record
    for name in failed.keys() & set(names):
        stem = next(known[name].stem for known in index.photographs.values() if name in known)
        grouped.setdefault((order[name], stem), {0: {}})
    return [
        _Row(names[place], stem, column, columns[column], failed.get(names[place], {}))
        for (place, stem), columns in sorted(grouped.items())
        for column in sorted(columns)
    ]


def _failed(index: Index) -> dict[str, dict[str, str]]:
    """Why, by photograph and trial; "" is the whole photograph."""
    found: dict[str, dict[str, str]] = {}
    for failure in index.store.failures():
        trials = index.by_evidence.get((failure.bench, failure.evidence), ())
        for trial in [each.name for each in trials] if failure.evidence else [""]:
            found.setdefault(failure.name, {})[trial] = failure.error
    return found


def _write_sheet(store: Store, number: int, rows: Sequence[_Row], trials: Sequence[str]) -> str:
    sheet = contact_sheet(["photograph", *trials], [row.cells(store, trials) for row in rows])
    name = f"{SHEET}{'' if number == 1 else f'-{number}'}.png"
    save_picture(store.folder, name, sheet)
    return name


def _explained(record: Record) -> list[tuple[str, Ink]]:
    """What is explained, unless it is the predicted class."""
    other = record.target is None or record.target != record.prediction
    return [(f"explained: {record.target_name}", FAINT)] if other and record.target_name else []


def _said(words: str) -> list[tuple[str, Ink]]:
    """Why there is no map, or what to know about it."""
    return [(line, WARNING) for line in wrapped(words, _SIZE, HEIGHT, _MOST)] if words else []
