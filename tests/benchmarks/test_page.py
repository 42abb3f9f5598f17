"""The page says what the figures say, and the figures are those of the rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks import attributing
from benchmarks.page import FILES, attribution_cells, cells, page, read, write
from benchmarks.rows import ROWS
from xaikit.passes.allocator import MMAP, TRIM

DOCS = Path(__file__).resolve().parents[2] / "docs"
COMMITTED = read(DOCS)["of_maps"]
ATTRIBUTIONS = read(DOCS)["of_attributions"]
GPU: dict[str, Any] = {
    "facts": {"device": "one", "date": "2026-01-01", "versions": {"torch": "2"}},
    "checks": {"count": 2, "failed": ["a"]},
    "sweep": {"ratio": 1.2},
    "rows": [],
}


def test_the_page_is_made_of_the_figures() -> None:
    assert (DOCS / "benchmarks.md").read_text(encoding="utf-8") == page(**read(DOCS))


@pytest.mark.parametrize("name", FILES)
def test_each_of_the_figures_makes_the_page_anew(tmp_path: Path, name: str) -> None:
    for one, figures in read(DOCS).items():
        write(tmp_path / FILES[one], figures)
    (tmp_path / "benchmarks.md").unlink()
    write(tmp_path / FILES[name], read(DOCS).get(name, GPU))
    assert (tmp_path / "benchmarks.md").read_text(encoding="utf-8") == page(**read(tmp_path))


def test_other_files_make_no_page(tmp_path: Path) -> None:
    write(tmp_path / FILES["gpu"], GPU)
    write(tmp_path / "table-1.json", COMMITTED)
    assert not (tmp_path / "benchmarks.md").exists()


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


def test_attributions_are_those_of_their_rows() -> None:
    rows = attributing.rows()
    assert [row["title"] for row in ATTRIBUTIONS["rows"]] == [row.title for row in rows]
    for row, figures in zip(rows, ATTRIBUTIONS["rows"], strict=True):
        of_xaikit = {name: ratio["median"] for name, ratio in figures["of_xaikit"].items()}
        assert figures["goal"] == str(row.goal)
        assert figures["met"] == row.goal.met(figures["of_forward"]["xaikit"]["median"], of_xaikit)


def test_an_attribution_stands_beside_all_others() -> None:
    row = {
        "title": "title",
        "sides": {"xaikit": summary(1.234), "forward": summary(1)},
        "of_forward": {"xaikit": summary(70)},
        "of_xaikit": {"Captum": summary(1.5), "loop": summary(2, rounds=2)},
        "goal": "goal",
        "met": True,
    }
    others = "Captum 1.50 (0.75 to 3.00); loop 2.00 (1.00 to 4.00) *"
    assert attribution_cells(row) == ("title", "1.23 s", "70.0 (35.0 to 140)", others, "goal", "met")


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
