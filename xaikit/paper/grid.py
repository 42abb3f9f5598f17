"""A grid of maps as a paper prints it, in millimetres: rows and columns with their names, one colour bar, what the colours mean.

Drawn by matplotlib (extra ``plot``) on a canvas of its own: no pyplot, and no setting of the process is left changed. Text is
text in a PDF (fonts embedded as TrueType, type 42) and outlines in an SVG, pictures are embedded as they are, and the same grid
is the same bytes.
"""

from __future__ import annotations

import importlib.util
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from xaikit.errors import ConfigError
from xaikit.pictures.colors import NOT_FINITE
from xaikit.pictures.overlay import Floats, Scale

FORMATS: dict[str, dict[str, None]] = {
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
}
"""What a figure may be, each with what its files would say of when and by what they were made."""
SETTINGS: dict[str, Any] = {
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "xaikit",
    "font.family": "DejaVu Sans",
    "axes.linewidth": 0.4,
}
NAMES, NUMBERS = 7.0, 6.0  # points: of rows and columns, and of everything else
INCH, POINT = 25.4, 25.4 / 72  # millimetres
GAP, BAR, LEADING = 1.0, 1.8, 1.2  # millimetres between cells and of the bar; of text, in its size
_LINE = LEADING * NUMBERS * POINT
DOTS = 600
"""Pixels an inch of a PNG."""


@dataclass(frozen=True, eq=False)
class PaperCell:
    """One cell: a picture (RGB), coloured where it has a map of its size, and a note below; a note alone where nothing is.

    scale  of its map
    """

    picture: Image.Image | None = None
    saliency: Floats | None = None
    scale: Scale | None = None
    note: str = ""

    def drawn(self, alpha: float) -> Image.Image | None:
        """In colours."""
        if self.picture is None or self.saliency is None or self.scale is None:
            return self.picture
        if alpha == 1:  # the map alone, also where it is signed, whose colours count by |x| over a picture
            table = np.concatenate([self.scale.table, np.array([NOT_FINITE], np.uint8)])
            return Image.fromarray(table[self.scale.places(self.saliency)])
        return self.scale.blend(self.picture, self.saliency, alpha)


@dataclass(frozen=True, eq=False)
class PaperFigure:
    """A grid, which saves itself and which a notebook shows.

    rows, columns  names
    cells          a row each
    bar            the scale of the colour bar, and the words at its low end, its middle (if it has one) and its high end
    caption        what the colours mean
    width          in millimetres
    alpha          the share of the colours over a picture
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[tuple[PaperCell, ...], ...]
    bar: Scale
    ticks: tuple[str, ...]
    caption: str
    width: float = 85.0
    alpha: float = 0.5

    def save(self, to: str | Path) -> Path:
        """Write it; the ending says the format. Raises ConfigError where that is not pdf, svg or png."""
        path = Path(to)
        stored_as = path.suffix.removeprefix(".").lower()
        if stored_as not in FORMATS:
            raise ConfigError(f"figure: expected a file that ends in .{', .'.join(FORMATS)}, got {str(to)!r}")
        data = self._as(stored_as)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def _repr_png_(self) -> bytes:
        return self._as("png", 200)

    def _as(self, stored_as: str, dots: int = DOTS) -> bytes:
        file = io.BytesIO()
        with _settings():
            figure = _Layout(self).drawn()
            figure.savefig(file, format=stored_as, dpi=dots, metadata=FORMATS[stored_as])
        return file.getvalue()


def check_installed() -> None:
    """Raises ConfigError where matplotlib is not."""
    if importlib.util.find_spec("matplotlib") is None:
        raise ConfigError("matplotlib is not installed: pip install 'xaikit[plot]'")


@contextmanager
def _settings() -> Iterator[None]:
    """Those of matplotlib as it comes, whatever a user's style says, and as they were afterwards."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        settings: Any = matplotlib.rcParams
        settings.update(SETTINGS)
        yield


@dataclass(frozen=True)
class _Layout:
    """Where everything is, in millimetres from the upper left corner."""

    grid: PaperFigure

    def drawn(self) -> Any:
        """As a figure of matplotlib."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(self.grid.width / INCH, self.height / INCH))
        for column, lines in enumerate(self.titles):
            self._text(figure, self._left(column) + self.side / 2, self.top - 0.6, lines, NAMES, "bottom")
        for row, (cells, name) in enumerate(zip(self.grid.cells, self.names, strict=True)):
            middle = self.tops[row] + self.heights[row] / 2
            self._text(figure, self.left - 0.6, middle, name, NAMES, "center", "right", rotation=90)
            for column, cell in enumerate(cells):
                self._cell(figure, row, column, cell)
        self._bar(figure)
        return figure

    @cached_property
    def names(self) -> list[list[str]]:
        """Those of the rows, each on one line."""
        return [fitted(name, height, NAMES, most=1) for name, height in zip(self.grid.rows, self.heights, strict=True)]

    @cached_property
    def titles(self) -> list[list[str]]:
        """Those of the columns, in lines."""
        return [fitted(title, self.side - 0.4, NAMES) for title in self.grid.columns]

    @property
    def left(self) -> float:
        """Of the first column: behind a line of text."""
        return LEADING * NAMES * POINT + 0.6 if any(self.grid.rows) else 0.0

    @property
    def side(self) -> float:
        """The width of a cell."""
        count = len(self.grid.columns)
        return (self.grid.width - self.left - GAP * (count - 1)) / count

    @property
    def top(self) -> float:
        """Of the first row: below the names of the columns."""
        return max(map(len, self.titles)) * LEADING * NAMES * POINT + 1.0

    @cached_property
    def heights(self) -> list[float]:
        """Of the pictures of each row."""
        pictures = ([cell.picture for cell in row if cell.picture] for row in self.grid.cells)
        return [self.side * max((each.height / each.width for each in row), default=1.0) for row in pictures]

    @cached_property
    def tops(self) -> list[float]:
        """Of each row."""
        notes = _LINE if any(cell.note for row in self.grid.cells for cell in row) else 0.0
        return [self.top + sum(self.heights[:row]) + row * (GAP + notes) for row in range(len(self.heights) + 1)]

    @property
    def height(self) -> float:
        """Of the whole."""
        return self.tops[-1] + GAP + BAR + _LINE * (1 + len(self.caption)) + 1.2

    @cached_property
    def caption(self) -> list[str]:
        """In lines."""
        return fitted(self.grid.caption, self.grid.width - self.left, NUMBERS, most=3)

    def _left(self, column: int) -> float:
        return self.left + column * (self.side + GAP)

    def _cell(self, figure: Any, row: int, column: int, cell: PaperCell) -> None:
        left, top, height = self._left(column), self.tops[row], self.heights[row]
        picture, below = cell.drawn(self.grid.alpha), top + height
        if picture is not None:
            below = top + self.side * picture.height / picture.width
            axes = self._axes(figure, left, top, self.side, below - top)
            axes.imshow(np.asarray(picture), interpolation="none", aspect="auto")
            axes.set_axis_off()
        if cell.note:
            lines = fitted(cell.note, self.side, NUMBERS, most=1 if picture is not None else 4)
            at, align = (below + 0.4 + _LINE, "bottom") if picture is not None else (top + height / 2, "center")
            self._text(figure, left + self.side / 2, at, lines, NUMBERS, align, color="0.3")

    def _bar(self, figure: Any) -> None:
        """The colours from low to high, with words at the ends and in the middle, and below what they mean."""
        wide, top = self.grid.width - self.left, self.tops[-1] + (0 if self._has_notes else GAP)
        length = min(wide, 50.0)
        left = self.left + (wide - length) / 2
        axes = self._axes(figure, left, top, length, BAR)
        axes.imshow(self.grid.bar.table[None], interpolation="none", aspect="auto")
        axes.set_axis_off()
        ticks, words = self.grid.ticks, ("left", "center", "right")
        places = {2: (0.0, 1.0), 3: (0.0, 0.5, 1.0)}[len(ticks)]
        for place, tick in zip(places, ticks, strict=True):
            at = left + place * length
            self._text(figure, at, top + BAR + 0.4 + _LINE, [tick], NUMBERS, "bottom", words[round(2 * place)])
        below = top + BAR + 0.6 + _LINE * (1 + len(self.caption))
        self._text(figure, self.left + wide / 2, below, self.caption, NUMBERS, "bottom", color="0.3")

    @property
    def _has_notes(self) -> bool:
        return any(cell.note for cell in self.grid.cells[-1])

    def _axes(self, figure: Any, left: float, top: float, width: float, height: float) -> Any:
        wide, high = self.grid.width, self.height
        return figure.add_axes((left / wide, 1 - (top + height) / high, width / wide, height / high))

    def _text(
        self,
        figure: Any,
        x: float,
        y: float,
        lines: Sequence[str],
        size: float,
        va: str,
        ha: str = "center",
        **style: Any,
    ) -> None:
        place = (x / self.grid.width, 1 - y / self.height)
        text = figure.text(*place, "\n".join(lines), fontsize=size, va=va, ha=ha, multialignment="center", **style)
        text.set(parse_math=False, linespacing=LEADING)  # a dollar sign is a dollar sign


def fitted(text: str, width: float, size: float, most: int = 2) -> list[str]:
    """Text in so many lines of so many millimetres; the middle of what is too long is left out, as ends tell names apart."""
    lines = [""]
    for part in re.split(r"(?<=[\s:./,_-])", " ".join(text.split())):
        joined = lines[-1] + part
        if not lines[-1] or length_of(joined.rstrip(), size) <= width:
            lines[-1] = joined
        else:
            lines.append(part)
    lines = [*lines[: most - 1], "".join(lines[most - 1 :])] if len(lines) > most else lines
    return [_shortened(line.rstrip(), width, size) for line in lines]


def _shortened(text: str, width: float, size: float) -> str:
    shown, left = text, len(text)
    while left > 2 and length_of(shown, size) > width:
        left -= 1
        shown = f"{text[: (left + 1) // 2]}…{text[len(text) - left // 2 :]}"
    return shown


@lru_cache(maxsize=4096)
def length_of(text: str, size: float) -> float:
    """The width of text in millimetres."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextToPath

    wide, _, _ = TextToPath().get_text_width_height_descent(
        text, FontProperties(family="DejaVu Sans", size=size), False
    )
    return float(wide) * POINT
