"""The contact sheets of a run folder, drawn from what lies in it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from PIL import Image

from xaikit.pictures.lettering import FAINT, INK, WARNING, Line, wrapped
from xaikit.pictures.sheet import HEIGHT, Cell, contact_sheet
from xaikit.plain.paths import file_name
from xaikit.plain.text import flow
from xaikit.report.index import Entry, Index
from xaikit.report.overlays import PLAIN, Frame, Pen, drawing, drawn, file_of_overlay, finished, frames_of, is_drawn
from xaikit.report.recent import RecentOverlays
from xaikit.report.record import Record
from xaikit.report.report import Report
from xaikit.schema.sections import ReportConfig
from xaikit.store.folder import Folder, Remote
from xaikit.store.pictures import PictureFormat, is_sheet, open_overlay, remove_picture, save_picture, sheet_name
from xaikit.store.rows import Failure
from xaikit.store.trials import StoredTrial

MOST_ROWS, MOST_TRIALS = 240, 28
"""What sheets show of a run: the first photographs and trials; more are for a query, not for the eye."""

Page = Callable[[], Image.Image]
"""What composes a page."""

_SIZE, _MOST = 14, 3  # of the words on a sheet, lines of them below a cell


def write_sheets(report: Report, style: ReportConfig = PLAIN, recent: RecentOverlays | None = None) -> list[str]:
    """Draw the contact sheets of a run from what lies in its folder: so many photographs and trials a page, as the style says.

    Args:
        recent: overlays that need not be read.

    Returns:
        Their names: contact-sheet.jpg, contact-sheet-2.jpg and so on, or one PDF of all pages. Those of an earlier sitting are
        gone.
    """
    remove_sheets(report)
    stored_as: PictureFormat = "jpg" if style.format == "png" else style.format
    folder, names = report.index.store.folder, []
    with drawing() as draw:
        pages = _pages(report, style, draw, recent or RecentOverlays(0))
        if stored_as == "pdf":
            composed = [page() for page in pages]
            if composed:
                names = [sheet_name(0, stored_as)]
                save_picture(folder, names[0], composed[0], further=composed[1:])
            return names
        for number, page in enumerate(pages):
            names.append(sheet_name(number, stored_as))
            draw(partial(_save, folder, names[-1], page))
    return names


def _save(folder: Folder, name: str, page: Page) -> None:
    save_picture(folder, name, page())


def remove_sheets(report: Report) -> None:
    """Remove the contact sheets of earlier sittings."""
    folder = report.index.store.folder
    for name in filter(is_sheet, folder.names()):
        remove_picture(folder, name)


def pages_of(photographs: int, trials: int, style: ReportConfig) -> int:
    """How many pages show so many rows of photographs by so many trials."""
    rows, columns = min(photographs, MOST_ROWS), min(trials, MOST_TRIALS)
    return -(-rows // style.rows) * -(-columns // (style.columns - 1))


def _pages(report: Report, style: ReportConfig, draw: Pen, recent: RecentOverlays) -> Iterator[Page]:
    """What composes each page; what stands in its cells is handed to the pen before."""
    rows, made = _rows(report.index), _made(report.index.store.folder, style, recent)
    trials = list({trial.name: trial for trial in report.index.trials if not trial.control}.values())[:MOST_TRIALS]
    for start in range(0, len(rows), style.rows):
        shown = rows[start : start + style.rows]
        frames = frames_of(report.index, (row.stem for row in shown), style)
        for first in range(0, len(trials), style.columns - 1):
            columns = trials[first : first + style.columns - 1]
            pictures = _pictures(report, style, frames, _entries(shown, columns, frames), made, draw)
            yield partial(_composed, shown, columns, frames, pictures)


def _made(folder: Folder, style: ReportConfig, recent: RecentOverlays) -> dict[str, Callable[[], Image.Image]]:
    """What gives the overlays that need not be drawn, by the names of their files: those that are held, and those of files
    that are near and can be opened."""
    opens = style.format != "pdf" and not isinstance(folder, Remote)
    names = folder.names("overlays") if opens else []
    return {name: partial(open_overlay, folder, name) for name in names} | recent.pictures


def _entries(rows: Sequence[SheetRow], trials: Sequence[StoredTrial], frames: Collection[str]) -> list[Entry]:
    """What a page shows that can be drawn, all of one trial together."""
    names = {trial.name for trial in trials}
    entries = [entry for row in rows for name, entry in row.entries.items() if name in names and row.stem in frames]
    return sorted((entry for entry in entries if is_drawn(entry[1])), key=_of_one_map)


def _of_one_map(entry: Entry) -> tuple[str, str, str]:
    record, trial, _ = entry
    return trial.bench, trial.name, record.name


def _pictures(
    report: Report,
    style: ReportConfig,
    frames: Mapping[str, Frame],
    entries: Sequence[Entry],
    made: Mapping[str, Callable[[], Image.Image]],
    draw: Pen,
) -> dict[int, Callable[[], Image.Image]]:
    """What gives the overlays of entries, by the identity of their records; those that are made already are not drawn."""
    names = {id(entry[0]): file_of_overlay(entry, style) for entry in entries}
    pictures = {key: made[name] for key, name in names.items() if name in made}
    for columns, fused in finished(report, [entry for entry in entries if id(entry[0]) not in pictures]):
        if not isinstance(fused, Failure):
            for entry in columns:
                pictures[id(entry[0])] = draw(partial(drawn, frames[entry[0].stem], entry, fused, style)).result
    return pictures


def _composed(
    rows: Sequence[SheetRow],
    trials: Sequence[StoredTrial],
    frames: Mapping[str, Frame],
    pictures: Mapping[int, Callable[[], Image.Image]],
) -> Image.Image:
    shown = {key: picture() for key, picture in pictures.items()}
    cells = [row.cells(frames, [trial.name for trial in trials], shown) for row in rows]
    return contact_sheet(["photograph", *map(header, trials)], cells)


def header(trial: StoredTrial) -> str:
    """What a person calls a trial: its label, its layers, and what else tells it apart: ``layercam, blocks.2 + bn2, gamma 2``."""
    first, last = trial.layers[0], trial.layers[-1]
    layers = " + ".join(trial.layers) if len(trial.layers) <= 3 else f"{first} to {last} ({len(trial.layers)} layers)"
    stated = {key.removeprefix(f"methods.{trial.label}."): value for key, value in trial.where.items()}
    swept = [
        f"{key.rpartition('.')[2]} {value if isinstance(value, str) else flow(value)}"
        for key, value in stated.items()
        if key.rpartition(".")[2] != "layers" and f"{key}=" in trial.name
    ]
    number = re.findall(r" (#\d+)$", trial.name)
    return ", ".join([trial.label, layers, *swept, *number])


@dataclass(frozen=True)
class SheetRow:
    """One photograph and place on the target axis: its entries by trial, and why others are missing; "" is the photograph."""

    name: str
    stem: str
    column: int
    entries: Mapping[str, Entry]
    errors: Mapping[str, str]

    def cells(
        self, frames: Mapping[str, Frame], trials: Iterable[str], pictures: Mapping[int, Image.Image]
    ) -> list[Cell]:
        """The photograph as the model saw it, and a cell for each trial."""
        frame = frames.get(self.stem)
        first = Cell(None if frame is None else frame.whole or frame.picture, self._caption())
        return [first, *(self._cell(trial, pictures) for trial in trials)]

    @property
    def records(self) -> list[Record]:
        """Those of all trials."""
        return [record for record, _, _ in self.entries.values()]

    def _caption(self) -> list[Line]:
        """The name, the predicted class with its probability, and what is explained where that is another."""
        lines = [(file_name(self.name), INK)]
        first = next(iter(self.records), None)
        if first is not None and first.prediction is not None:
            share = "" if first.probability is None else f"{first.probability:.0%} "
            lines.append((share + first.prediction_name, INK))
        if first is not None and first.truth_name:
            right = {True: "right: ", False: "wrong: ", None: "stated: "}[first.correct]
            lines.append((right + first.truth_name, WARNING if first.correct is False else FAINT))
        if first is not None and first.prediction is None and not self._targets_differ():
            lines.append((f"score {first.score:.4g}", INK))
        if first is not None and not self._targets_differ():
            lines += _explained(first)
        return lines + _warning(self.errors.get("", ""))

    def _cell(self, trial: str, pictures: Mapping[int, Image.Image]) -> Cell:
        entry, error = self.entries.get(trial), _warning(self.errors.get(trial, ""))
        if entry is None:
            return Cell(None, error)
        record = entry[0]
        picture = pictures.get(id(record))
        explained = _explained(record) if self._targets_differ() else []
        unfused = [] if picture is not None else error or [("no fused map", FAINT)]
        return Cell(picture, [*explained, *_warning("; ".join(record.warnings)), *unfused])

    def _targets_differ(self) -> bool:
        return len({(record.target, record.target_name) for record in self.records}) > 1


def _rows(index: Index) -> list[SheetRow]:
    """The first photographs of the plan that were explained or tried, as they stand on the sheets."""
    stems: dict[str, str] = {}
    for photographs in index.photographs.values():
        for name, photograph in photographs.items():
            stems.setdefault(name, photograph.stem)
    names, errors = list(stems)[:MOST_ROWS], _errors(index)
    places = {name: place for place, name in enumerate(names)}
    entries: dict[tuple[int, str, int], dict[str, Entry]] = defaultdict(dict)
    for entry in index.records(index.rows(names=names)):
        record = entry[0]
        entries[places[record.name], record.stem, record.column][record.trial] = entry
    for name, place in places.items():
        if name in errors:
            entries.setdefault((place, stems[name], 0), {})
    return [
        SheetRow(names[place], stem, column, by_trial, errors.get(names[place], {}))
        for (place, stem, column), by_trial in sorted(entries.items(), key=lambda item: item[0])
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
