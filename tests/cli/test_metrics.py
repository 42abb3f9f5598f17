"""`xaikit metrics`: the list, and the card of one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from helpers.distributions import installing
from xaikit.cli.commands import commands
from xaikit.registry import Registry

OWN = [entry.name for entry in Registry().catalogue("metric") if entry.distribution == "xaikit"]


def run(*args: str) -> str:
    result = CliRunner().invoke(commands, ["metrics", *args], catch_exceptions=False, env={"COLUMNS": None})
    assert result.exit_code == 0
    return result.output


def test_all_metrics_are_listed_with_what_they_ask_and_cost() -> None:
    head, *rows = run().splitlines()
    assert head.split() == ["metric", "family", "reads", "better", "costs", "suites"]
    cells = {row.split()[0]: re.split(r" {2,}", row) for row in rows}
    assert set(cells) >= set(OWN)
    assert cells["srg"][1:6] == ["faithfulness", "ranks", "higher", "27 scores", "quick, full"]
    assert cells["sparseness"][1:6] == ["complexity", "rectified", "higher", "nothing", "quick, full"]
    assert cells["maxsensitivity"][1:6] == ["robustness", "raw", "lower", "10 explanations", "full"]
    assert cells["quantus"][1:5] == ["of its options", "raw", "of its options", "of its options"]
    families = [cells[row.split()[0]][1] for row in rows]
    assert families == sorted(families)


@pytest.mark.parametrize("name", OWN)
def test_the_card_of_every_metric_says_what_a_user_asks_first(name: str) -> None:
    lines = run(name).splitlines()
    assert lines[0].startswith(f"{name}  (metric of xaikit")
    for label in (
        "Cost: ",
        "Fails: ",
        "Peers: ",
        "equation: ",
        "citation: ",
        "family: ",
        "better: ",
        "needs: maps",
        "costs: ",
    ):
        assert sum(line.startswith(label) for line in lines) == 1, label


def test_a_card_says_chance_and_why_the_truth_need_not_win() -> None:
    assert "chance: 0" in run("srg").splitlines()
    assert "does not rank the truth above noise: a map that never changes" in run("maxsensitivity")


def test_one_that_cannot_be_loaded_hides_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with installing(tmp_path, monkeypatch) as install:
        install(
            "xaikit-broken",
            "[xaikit.metrics]\nbroken = xaikit_broken_metric\n",
            "import nowhere\n",
            "xaikit_broken_metric",
        )
        rows = run().splitlines()
    assert any(row.startswith("broken") and "failed to import" in row for row in rows)
    assert any(row.startswith("srg") for row in rows)
