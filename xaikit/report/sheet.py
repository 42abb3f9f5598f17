"""The contact sheet: photographs down, methods across, with what the model says written beside each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

from xaikit.record import Record
from xaikit.report.lettering import INK, shortened, wrapped, write
from xaikit.report.pictures import overlay_path
from xaikit.store import Store

ROWS = 50
SHEETS = "contact-sheet*.png"
CELL, GAP, TEXT, SMALL = 224, 12, 20, 15
FADED, WARNING, PAPER = (110, 110, 110), (176, 32, 32), (255, 255, 255)


@dataclass(frozen=True)
class Row:
    """One photograph and target: its records by label."""

    stem: str
    column: int
    records: dict[str, Record]

    @property
    def first(self) -> Record:
        return next(iter(self.records.values()))


def write_sheets(store: Store, names: Sequence[str]) -> list[Path]:
    """Draw the sheets of a run from what lies in its folder, at most fifty rows each.

    Args:
        names: the photographs in order; those without maps are left out.
    """
    for old in store.folder.glob(SHEETS):
        store.remove_picture(old.name)
    rows = _rows(store.records(), names)
    labels = list(dict.fromkeys(label for row in rows for label in row.records))
    paths = []
    for start in range(0, len(rows), ROWS):
        number = "" if not start else f"-{start // ROWS + 1}"
        sheet = contact_sheet(store.folder, rows[start : start + ROWS], labels)
        paths.append(store.save_picture(f"contact-sheet{number}.png", sheet))
    return paths


def _rows(records: Sequence[Record], names: Sequence[str]) -> list[Row]:
    order = {name: place for place, name in enumerate(names)}
    grouped: dict[tuple[int, str, int], dict[str, Record]] = {}
    for record in records:
        if record.name in order:
            grouped.setdefault((order[record.name], record.stem, record.column), {})[record.label] = record
    return [Row(stem, column, grouped[place, stem, column]) for place, stem, column in sorted(grouped)]


def contact_sheet(folder: Path, rows: Sequence[Row], labels: Sequence[str]) -> Image.Image:
    """One sheet: a header with the labels, then a row a photograph and target."""
    widths = _widths(folder, rows, labels)
    height = CELL + 3 * TEXT + GAP
    sheet = Image.new("RGB", (GAP + sum(width + GAP for width in widths), GAP + 2 * TEXT + len(rows) * height), PAPER)
    draw = ImageDraw.Draw(sheet)
    left = GAP
    for label, width in zip(["", *labels], widths, strict=True):
        write(draw, (left, GAP // 2), shortened(label, TEXT, width), TEXT, INK)
        left += width + GAP
    for place, row in enumerate(rows):
        _draw_row(
            sheet, draw, (GAP, GAP + 2 * TEXT + place * height), folder, row, list(zip(labels, widths[1:], strict=True))
        )
    return sheet


def _widths(folder: Path, rows: Sequence[Row], labels: Sequence[str]) -> list[int]:
    """The photograph's column, then one a label: as wide as its widest picture at the height of a cell."""
    sizes = {
        label: [_size(overlay_path(folder, row.stem, label, row.column)) for row in rows if label in row.records]
        for label in labels
    }
    photographs = [_size(folder / "pictures" / f"{row.stem}.png") for row in rows]
    return [max([CELL, *found]) for found in (photographs, *sizes.values())]


def _size(path: Path) -> int:
    if not path.is_file():
        return 0
    with Image.open(path) as image:
        return round(image.width * CELL / image.height)


def _draw_row(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    at: tuple[int, int],
    folder: Path,
    row: Row,
    columns: Sequence[tuple[str, int]],
) -> None:
    left, top = at
    _paste(sheet, folder / "pictures" / f"{row.stem}.png", (left, top))
    for line, (text, ink) in enumerate(_caption(row.first)):
        write(draw, (left, top + CELL + 2 + line * (TEXT - 2)), shortened(text, SMALL, CELL), SMALL, ink)
    left += max(CELL, _size(folder / "pictures" / f"{row.stem}.png")) + GAP
    for label, width in columns:
        record = row.records.get(label)
        if record is not None:
            _paste(sheet, overlay_path(folder, row.stem, label, row.column), (left, top))
            for line, text in enumerate(wrapped("; ".join(record.warnings), SMALL, width, most=2)):
                write(draw, (left, top + CELL + 2 + line * (TEXT - 2)), text, SMALL, WARNING)
        left += width + GAP


def _caption(record: Record) -> list[tuple[str, tuple[int, int, int]]]:
    """The name, the predicted class with its probability, and what is explained where that is another."""
    lines = [(record.name.replace("\\", "/").rpartition("/")[2], INK)]
    if record.prediction is not None:
        share = "" if record.probability is None else f" {record.probability:.0%}"
        lines.append((f"{record.prediction_name}{share}", INK))
    if record.target is not None and record.target != record.prediction:
        lines.append((f"explained: {record.target_name}", FADED))
    return lines


def _paste(sheet: Image.Image, path: Path, at: tuple[int, int]) -> None:
    if not path.is_file():
        return
    with Image.open(path) as image:
        scale = CELL / image.height
        fitted = image.convert("RGB")
        if image.height != CELL:
            fitted = fitted.resize((max(1, round(image.width * scale)), CELL), Image.Resampling.LANCZOS)
        sheet.paste(fitted, at)
