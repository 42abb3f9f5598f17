from __future__ import annotations

from xaikit.report.text import aligned


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    rows = [("layer", "stride", ""), ("body", "4", "auto: body"), ("a longer one", "16", "")]
    assert aligned(rows, [1]).splitlines() == [
        "layer         stride",
        "body               4  auto: body",
        "a longer one      16",
    ]


def test_of_no_columns_nothing_is_left() -> None:
    assert aligned([()]) == ""
