"""`xaikit evaluate` and `xaikit leaderboard`."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

import xaikit
from helpers.runs import config
from xaikit.cli.commands import commands


def said(*arguments: str, code: int = 0, width: int = 300) -> str:
    result = CliRunner().invoke(commands, arguments, catch_exceptions=False, env={"COLUMNS": str(width)})
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def run(tmp_path: Path) -> Path:
    values = config(tmp_path)
    values["report"]["overlays"] = False
    xaikit.run(values)
    return tmp_path / "run"


def test_a_finished_run_is_judged_and_ranked(run: Path) -> None:
    printed = said("evaluate", str(run), "srg", "sparseness", "metrics.srg.steps=3", "metrics.srg.block=8")
    assert "srg [blur, probability, ranks] on " in printed
    assert "does not beat" in printed
    assert "layercam, blurred" in printed
    narrow = said("leaderboard", str(run), width=80).splitlines()
    assert all(any(f" {name} " in line for line in narrow) for name in ("gradcam", "layercam, blurred", "randomcam"))
    assert max(map(len, narrow[:8])) <= 80
    report = xaikit.Report(run)
    assert {metric.name: metric.options.get("steps") for metric in report.index.metrics} == {
        "srg": 3,
        "sparseness": None,
    }
    assert said("leaderboard", str(run)).splitlines()[0] == next(
        line for line in printed.splitlines() if line.startswith("srg [")
    )


def test_all_numbers_are_printed_as_values(run: Path) -> None:
    said("evaluate", str(run), "sparseness", "controls=false")
    rows = list(csv.DictReader(io.StringIO(said("leaderboard", str(run), "--csv"))))
    assert [(row["method"], row["role"]) for row in rows] in (
        [("gradcam", "method"), ("layercam", "method")],
        [("layercam", "method"), ("gradcam", "method")],
    )
    values = [row["value"] for row in xaikit.Report(run).measures.to_pylist() if row["trial"] == rows[0]["method"]]
    assert float(rows[0]["mean"]) == pytest.approx(sum(values) / len(values))
    (duel,) = csv.DictReader(io.StringIO(said("leaderboard", str(run), "--csv", "--duels")))
    assert {duel["method"], duel["minus"]} == {"gradcam", "layercam"}


def test_a_leaderboard_is_pasted_into_a_page(run: Path) -> None:
    said("evaluate", str(run), "sparseness", "controls=false")
    page = said("leaderboard", str(run), "--markdown")
    assert page.startswith("**sparseness [rectified] on ")
    assert "| 1 | " in page


def test_a_run_without_metrics_says_what_to_do(run: Path) -> None:
    with pytest.raises(xaikit.ConfigError, match="nothing has been measured: write metrics: quick in the config"):
        said("leaderboard", str(run))
    with pytest.raises(xaikit.ConfigError, match="no metric 'sgr'; did you mean 'srg'"):
        said("evaluate", str(run), "sgr")


def test_metrics_of_a_config_are_judged_by_run(tmp_path: Path) -> None:
    values: dict[str, Any] = config(tmp_path, metrics={"sparseness": {}}, controls=False)
    values["report"]["overlays"] = False
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(values))
    printed = said("run", str(tmp_path / "c.yaml"))
    assert f"xaikit leaderboard {tmp_path / 'run'} ranks its methods by what metrics say of their maps" in printed
    assert xaikit.Report(tmp_path / "run").measures.num_rows == 6
