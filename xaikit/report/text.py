"""Tables as text for a terminal."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from xaikit.plain.text import escaped


def aligned(rows: Sequence[Sequence[str]], right: Collection[int] = (), width: int | None = None) -> str:
    """Columns as wide as their widest cell, two spaces apart, a row a line; those at some places to the right.

    Where a line has only so many letters, the widest columns are cut.
    """
    columns = []
    cells = list(zip(*(map(escaped, row) for row in rows), strict=True))
    widths = _fitted([max(map(len, column)) for column in cells], width)
    for place, (column, most) in enumerate(zip(cells, widths, strict=True)):
        justify = str.rjust if place in right else str.ljust
        columns.append([justify(cell if len(cell) <= most else f"{cell[: most - 1]}…", most) for cell in column])
    return "\n".join("  ".join(cells).rstrip() for cells in zip(*columns, strict=True))


def _fitted(widths: Sequence[int], most: int | None) -> list[int]:
    """The widths of columns whose lines have at most so many letters; narrower than eight none becomes."""
    fitted = list(widths)
    while most is not None and sum(fitted) + 2 * (len(fitted) - 1) > most and max(fitted) > 8:
        fitted[fitted.index(max(fitted))] -= 1
    return fitted
