"""The contact sheets of a run folder, drawn from what lies in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xaikit.pictures.lettering import FAINT, INK, WARNING, Line, wrapped
from xaikit.pictures.sheet import HEIGHT, Cell, contact_sheet
from xaikit.report.index import Index
from xaikit.report.lookup import distinct, file_name
from xaikit.report.record import Record
from xaikit.store.folder import Folder
from xaikit.store.pictures import (
    SHEET,
    is_sheet,
    open_picture,
    overlay_name,
    picture_name,
    remove_picture,
    save_picture,
)

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
    for name in filter(is_sheet, store.folder.names("", ".png")):
        remove_picture(store.folder, name)
    rows, names = _rows(index), []
    trials = distinct(trial.name for trial in index.trials)[:MOST_TRIALS]
    for start in range(0, len(rows), ROWS):
        cells = [row.cells(store.folder, trials) for row in rows[start : start + ROWS]]
        names.append(f"{SHEET}-{start // ROWS + 1}.png" if start else f"{SHEET}.png")
        save_picture(store.folder, names[-1], contact_sheet(["photograph", *trials], cells))
    return names


@dataclass(frozen=True)
class SheetRow:
    """One photograph and place on the target axis: its records by trial, and why others are missing; "" is the photograph."""

    name: str
    stem: str
    column: int
    records: Mapping[str, Record]
    errors: Mapping[str, str]

    def cells(self, folder: Folder, trials: Sequence[str]) -> list[Cell]:
        """The photograph as the model saw it, and a cell for each trial."""
        picture = open_picture(folder, picture_name(self.stem))
        return [Cell(picture, self._caption()), *(self._cell(folder, trial) for trial in trials)]

    def _caption(self) -> list[Line]:
        """The name, the predicted class with its probability, and what is explained where that is another."""
        lines = [(file_name(self.name), INK)]
        first = next(iter(self.records.values()), None)
        if first is not None and first.prediction is not None:
            share = "" if first.probability is None else f"{first.probability:.0%} "
            lines.append((share + first.prediction_name, INK))
        if first is not None and not self._targets_differ():
            lines += _explained(first)
        return lines + _warning(self.errors.get("", ""))

    def _cell(self, folder: Folder, trial: str) -> Cell:
        record, error = self.records.get(trial), _warning(self.errors.get(trial, ""))
        if record is None:
            return Cell(None, error)
        picture = open_picture(folder, overlay_name(self.stem, trial, self.column))
        explained = _explained(record) if self._targets_differ() else []
        unfused = [] if picture is not None else error or [("no fused map", FAINT)]
        return Cell(picture, [*explained, *_warning("; ".join(record.warnings)), *unfused])

    def _targets_differ(self) -> bool:
        return len({(record.target, record.target_name) for record in self.records.values()}) > 1


def _rows(index: Index) -> list[SheetRow]:
    """The first photographs of the plan that were explained or tried, as they stand on the sheets."""
    stems: dict[str, str] = {}
    for photographs in index.photographs.values():
        for name, photograph in photographs.items():
            stems.setdefault(name, photograph.stem)
    names, errors = list(stems)[:MOST_ROWS], _errors(index)
    places = {name: place for place, name in enumerate(names)}
    records: dict[tuple[int, str, int], dict[str, Record]] = defaultdict(dict)
    for record, _, _ in index.records(index.rows(names=names)):
        records[places[record.name], record.stem, record.column][record.trial] = record
    for name, place in places.items():
        if name in errors:
            records.setdefault((place, stems[name], 0), {})
    return [
        SheetRow(names[place], stem, column, by_trial, errors.get(names[place], {}))
        for (place, stem, column), by_trial in sorted(records.items(), key=lambda item: item[0])
    ]


def _errors(index: Index) -> dict[str, dict[str, str]]:
    """Why, by photograph and trial; "" is the whole photograph."""
    errors: dict[str, dict[str, str]] = defaultdict(dict)
    for failure in index.store.failures():
        trials = index.by_evidence.get((failure.bench, failure.evidence), ())
        errors[failure.name].update(
            dict.fromkeys([trial.name for trial in trials] if failure.evidence else [""], failure.error)
        )
    return errors


def _explained(record: Record) -> list[Line]:
    """What is explained, unless it is the predicted class."""
    other = record.target is None or record.target != record.prediction
    return [(f"explained: {record.target_name}", FAINT)] if other and record.target_name else []


def _warning(text: str) -> list[Line]:
    """Why there is no map, or what to know about it."""
    return [(line, WARNING) for line in wrapped(text, _SIZE, HEIGHT, _MOST)] if text else []
