"""The contact sheet: photographs down, methods across, and below each picture what there is to say of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

from xaikit.pictures.lettering import INK, Line, shortened, wrapped, write

HEIGHT = 224  # of a picture on the sheet, in pixels


_GAP, _HEADER, _SIZE, _LINE = 14, 16, 14, 18


_MOST = 2  # lines of a header


_PAPER, _RULE = (255, 255, 255), (222, 222, 226)


@dataclass(frozen=True)
class Cell:
    """A picture, where there is one, and the lines below it with their colours."""

    picture: Image.Image | None = None
    lines: Sequence[Line] = ()

    @property
    def width(self) -> int:
        """In pixels, at the height that pictures have on the sheet."""
        return HEIGHT if self.picture is None else round(self.picture.width * HEIGHT / self.picture.height)

    @property
    def height(self) -> int:
        """In pixels, with the lines."""
        return (0 if self.picture is None else HEIGHT) + _LINE * len(self.lines)


def contact_sheet(header: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Image.Image:
    """Draw rows of cells under a header.

    Args:
        header: what stands above each column, on up to two lines.
        rows: as many cells each as there are columns.

    Returns:
        An RGB picture on white; columns are as wide as their widest picture, rows as high as their highest cell.
    """
    widths = [max([HEIGHT, *(cell.width for cell in column)]) for column in zip(*rows, strict=True)]
    lefts = [_GAP + sum(widths[:place]) + _GAP * place for place in range(len(widths))]
    heights = [max(cell.height for cell in row) + 2 * _GAP for row in rows]
    heads = [wrapped(text, _HEADER, width, _MOST) for text, width in zip(header, widths, strict=True)]
    top = (_HEADER + 4) * max(map(len, heads), default=1) + 2 * _GAP
    sheet = Image.new("RGB", (_GAP + sum(widths) + _GAP * len(widths), top + sum(heights)), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for lines, left in zip(heads, lefts, strict=True):
        for place, line in enumerate(lines):
            write(draw, (left, _GAP + place * (_HEADER + 4)), line, _HEADER, INK)
    for row, height in zip(rows, heights, strict=True):
        draw.line((_GAP, top, sheet.width - _GAP, top), fill=_RULE)
        for cell, left, width in zip(row, lefts, widths, strict=True):
            _draw(sheet, cell, left, top + _GAP, width)
        top += height
    return sheet


def _draw(sheet: Image.Image, cell: Cell, left: int, top: int, width: int) -> None:
    if cell.picture is not None:
        sheet.paste(_fitted(cell.picture, cell.width), (left, top))
        top += HEIGHT
    draw = ImageDraw.Draw(sheet)
    for place, (text, ink) in enumerate(cell.lines):
        write(draw, (left, top + 4 + place * _LINE), shortened(text, _SIZE, width), _SIZE, ink)


def _fitted(picture: Image.Image, width: int) -> Image.Image:
    """At the height of the sheet; the cells of a tiny picture stay sharp."""
    if picture.height == HEIGHT:
        return picture
    tiny = 2 * picture.height <= HEIGHT
    return picture.resize((width, HEIGHT), Image.Resampling.NEAREST if tiny else Image.Resampling.LANCZOS)
