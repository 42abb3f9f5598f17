"""docs/leaderboard.py: the table that it makes of a board, and the classes that it takes for a category."""

from __future__ import annotations

import csv
import importlib
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(DOCS))
    return importlib.import_module("leaderboard")


def row(method: str, role: str, rank: float, mean: float, **more: Any) -> dict[str, Any]:
    return {
        "metric": "srg [blur]",
        "better": "higher",
        "method": method,
        "role": role,
        "rank": rank,
        "mean": mean,
        "low": mean - 0.1,
        "high": mean + 0.1,
        "group": "",
        "does not beat": "",
        "reliability": 0.9,
        **more,
    }


def test_the_table_has_methods_by_rank_then_controls(script: Any) -> None:
    rows = [
        row("second", "method", 2, 0.5, **{"does not beat": "center; edges; uniform; second, blurred", "group": "b"}),
        row("first", "method", 1, 0.75, group="a"),
        row("first, blurred", "blurred", float("nan"), 0.7),
        row("center", "control", float("nan"), 0.4),
        row("uniform", "control", float("nan"), float("nan")),  # it has no value, and is not there to be beaten
    ]
    assert script.table(rows).splitlines() == [
        "| | srg [blur] ↑ |",
        "|---|---|",
        "| first | **0.750 ± 0.100** |",
        "| second | 0.500 ± 0.100 †ce |",
        "| *center* | 0.400 ± 0.100 |",
        "| *uniform* |  |",
        "| reliability | 0.90 |",
        "| better than blurred | 1 of 2 |",
    ]


def test_one_in_so_many_photographs_is_taken(script: Any, tmp_path: Path) -> None:
    script.write(tmp_path / "all.csv", [{"file": f"{n}.jpg", "class_index": n} for n in range(7)])
    some = script.every(tmp_path / "all.csv", 3, tmp_path / "some.csv")
    with some.open(newline="") as file:
        assert [Path(one["path"]).name for one in csv.DictReader(file)] == ["0.jpg", "3.jpg", "6.jpg"]


def test_no_class_is_of_two_categories_but_furniture(script: Any) -> None:
    owners: dict[int, list[str]] = {}
    for category, classes in script.CLASSES.items():
        for index in classes:
            owners.setdefault(index, []).append(category)
    assert {index: names for index, names in owners.items() if len(names) > 1} == {831: ["couch", "bed"]}
