"""Tables as text for a terminal."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from xaikit.plain.text import escaped


def aligned(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> str:
    """Columns as wide as their widest cell, two spaces apart, a row a line; those at some places to the right."""
    columns = []
    for place, column in enumerate(zip(*(map(escaped, row) for row in rows), strict=True)):
        justify, width = str.rjust if place in right else str.ljust, max(map(len, column))
        columns.append([justify(cell, width) for cell in column])
    return "\n".join("  ".join(cells).rstrip() for cells in zip(*columns, strict=True))
