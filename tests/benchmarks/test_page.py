"""The page says what the figures say, and the figures are those of the rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.page import cells, page
from benchmarks.rows import ROWS
from xaikit.passes.allocator import MMAP, TRIM

DOCS = Path(__file__).resolve().parents[2] / "docs"
COMMITTED = json.loads((DOCS / "benchmarks.json").read_text(encoding="utf-8"))

FILE = DOCS / "benchmarks.gpu.json"
GPU = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else None


def test_the_page_is_made_of_the_figures() -> None:
    assert (DOCS / "benchmarks.md").read_text(encoding="utf-8") == page(COMMITTED, GPU)


@pytest.mark.parametrize("setting", ["default", "fixed"])
def test_the_figures_are_those_of_the_rows(setting: str) -> None:
    rows = [(row["title"], row["goal"], list(row["sides"])) for row in COMMITTED["settings"][setting]["rows"]]
    assert rows == [(row.title, str(row.goal), list(row.compared)) for row in ROWS]


@pytest.mark.parametrize("setting", ["default", "fixed"])
def test_met_is_what_the_medians_say(setting: str) -> None:
    for row, result in zip(ROWS, COMMITTED["settings"][setting]["rows"], strict=True):
        of_xaikit = {name: ratio["median"] for name, ratio in result["of_xaikit"].items()}
        assert result["met"] == row.goal.met(result["of_forward"]["xaikit"]["median"], of_xaikit)


def test_the_page_names_the_thresholds_of_the_allocator() -> None:
    assert f"MALLOC_MMAP_THRESHOLD_={MMAP} MALLOC_TRIM_THRESHOLD_={TRIM} python" in page(COMMITTED)


def summary(median: float, rounds: int = 7) -> dict[str, Any]:
    return {"median": median, "low": median / 2, "high": median * 2, "rounds": rounds}


def test_a_row_has_its_peers_or_nothing_and_an_asterisk_for_fewer_rounds() -> None:
    row = {
        "title": "title",
        "measure": "s",
        "sides": {"forward": summary(0.25)},
        "of_forward": {"xaikit": summary(1.5), "pytorch-grad-cam": summary(1234.5, rounds=2)},
        "of_xaikit": {"pytorch-grad-cam": summary(12.34, rounds=2)},
        "goal": "≤ 1.10 forwards",
        "met": False,
    }
    expected = ("title", "250 ms", "1.50 (0.75 to 3.00)", "", "1234 *", "", "12.3 *", "≤ 1.10 forwards", "not met")
    assert cells(row) == expected
    assert cells(row | {"measure": "MiB", "met": True})[1::7] == ("0 MiB", "met")
