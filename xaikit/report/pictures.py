"""The pictures in a run folder: what the model saw, every map over it, and the sheets of all."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from torch import Tensor

from xaikit.record import Record
from xaikit.report.lettering import FAINT, INK, WARNING, Ink, wrapped
from xaikit.report.overlay import overlay
from xaikit.report.sheet import HEIGHT, Cell, contact_sheet
from xaikit.stems import safe_names
from xaikit.store import Store

SHEETS = "contact-sheet*.png"
ROWS = 50  # a sheet
_SIZE, _MOST = 14, 3  # of the words on a sheet, lines of them below a cell


def write_pictures(
    store: Store, stem: str, seen: Image.Image, finished: Mapping[str, Tensor], signed: Container[str] = ()
) -> None:
    """Write ``pictures/<stem>.png`` and one overlay a label and target.

    Args:
        seen: the picture as the model saw it.
        finished: finished maps (T, H, W) by label.
        signed: the labels whose finish keeps the sign; all their overlays have the scale of signed maps.
    """
    store.save_picture(f"pictures/{stem}.png", seen)
    for label, maps in finished.items():
        for column, saliency in enumerate(maps):
            store.save_picture(_overlay_name(stem, label, column), overlay(seen, saliency, signed=label in signed))


def overlay_path(folder: Path, stem: str, label: str, column: int) -> Path:
    """Where the overlay of a label lies; the first target of a plural one is column 0."""
    return folder / _overlay_name(stem, label, column)


def write_sheets(store: Store, names: Sequence[str]) -> list[Path]:
    """Draw the contact sheets of a run from what lies in its folder, at most fifty rows each.

    Args:
        names: the photographs in order; those that were neither explained nor tried are left out.

    Returns:
        Where the sheets lie: contact-sheet.png, contact-sheet-2.png and so on. Those of an earlier sitting are gone.
    """
    for old in list(store.folder.glob(SHEETS)):
        store.remove_picture(old.name)
    rows = _rows([*store.records(), *store.failures()], names)
    labels = list(dict.fromkeys(label for row in rows for label in row.records if label))
    return [
        _write_sheet(store, start // ROWS + 1, rows[start : start + ROWS], labels)
        for start in range(0, len(rows), ROWS)
    ]


@dataclass(frozen=True)
class _Row:
    """One photograph and place on the target axis: its records by label; "" is the failure of the whole photograph."""

    stem: str
    column: int
    records: Mapping[str, Record]

    def cells(self, folder: Path, labels: Sequence[str]) -> list[Cell]:
        picture = _opened(folder / "pictures" / f"{self.stem}.png")
        methods = [self._cell(folder, label) if label in self.records else Cell() for label in labels]
        return [Cell(picture, self._caption()), *methods]

    def _caption(self) -> list[tuple[str, Ink]]:
        """The name, the predicted class with its probability, and what is explained where that is another."""
        first = next(iter(self.records.values()))
        lines = [(first.name.replace("\\", "/").rpartition("/")[2], INK)]
        if first.prediction is not None:
            share = "" if first.probability is None else f"{first.probability:.0%} "
            lines.append((share + first.prediction_name, INK))
        if not self._targets_differ():
            lines += _explained(first)
        return lines + (_said(self.records[""]) if "" in self.records else [])

    def _cell(self, folder: Path, label: str) -> Cell:
        record = self.records[label]
        picture = _opened(overlay_path(folder, self.stem, label, self.column)) if record.status == "ok" else None
        explained = _explained(record) if self._targets_differ() else []
        unfused = [("no fused map", FAINT)] if picture is None and record.status == "ok" else []
        return Cell(picture, [*explained, *_said(record), *unfused])

    def _targets_differ(self) -> bool:
        return len({(record.target, record.target_name) for record in self.records.values()}) > 1


def _rows(records: Sequence[Record], names: Sequence[str]) -> list[_Row]:
    order = {name: place for place, name in enumerate(names)}
    grouped: dict[tuple[int, str, int], dict[str, Record]] = {}
    for record in records:
        if record.name in order:
            grouped.setdefault((order[record.name], record.stem, record.column), {})[record.label] = record
    return [_Row(stem, column, grouped[place, stem, column]) for place, stem, column in sorted(grouped)]


def _write_sheet(store: Store, number: int, rows: Sequence[_Row], labels: Sequence[str]) -> Path:
    sheet = contact_sheet(["photograph", *labels], [row.cells(store.folder, labels) for row in rows])
    return store.save_picture(f"contact-sheet{'' if number == 1 else f'-{number}'}.png", sheet)


def _explained(record: Record) -> list[tuple[str, Ink]]:
    """What is explained, unless it is the predicted class."""
    other = record.target is None or record.target != record.prediction
    return [(f"explained: {record.target_name}", FAINT)] if other and record.target_name else []


def _said(record: Record) -> list[tuple[str, Ink]]:
    """Why there is no map, or what to know about it."""
    words = record.error if record.status == "failed" else "; ".join(record.warnings)
    return [(line, WARNING) for line in wrapped(words, _SIZE, HEIGHT, _MOST)]


def _opened(path: Path) -> Image.Image | None:
    if not path.is_file():
        return None
    with Image.open(path) as image:
        return image.convert("RGB")


def _overlay_name(stem: str, label: str, column: int) -> str:
    ending = f".{column}" if column else ""
    return f"overlays/{stem}.{safe_names([label])[label]}{ending}.png"
