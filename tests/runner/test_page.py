"""A run ends with its page; so does one that goes on, is judged, or begun anew."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

import xaikit
from helpers.runs import config
from xaikit.cli.commands import commands
from xaikit.store.pages import PAGE


def facts(page: Path) -> dict[str, Any]:
    """What a page holds."""
    text = page.read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="page-data">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    values: dict[str, Any] = json.loads(found[1])
    return values


@pytest.fixture
def run(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(config(tmp_path)))
    return path


def test_the_last_line_of_a_run_names_its_page(run: Path) -> None:
    result = CliRunner().invoke(commands, ["run", str(run)])
    page = run.parent / "run" / PAGE
    assert result.output.splitlines()[-1] == f"written to {page.parent}; open {page}"
    assert len(facts(page)["photographs"]) == len(xaikit.open(page.parent).images)
    assert facts(page)["runs"][0]["stopped"] == ""


def test_a_run_that_wants_none_has_none(run: Path) -> None:
    result = CliRunner().invoke(commands, ["run", str(run), "report.page=false"])
    assert not (run.parent / "run" / PAGE).exists()
    assert result.output.splitlines()[-1] == f"written to {run.parent / 'run'}"


def test_what_is_measured_later_is_on_the_page(run: Path) -> None:
    xaikit.run(run)
    page = run.parent / "run" / PAGE
    assert facts(page)["leaderboards"] == [None]
    xaikit.evaluate(page.parent, ["sparseness"], ["controls=false"])
    assert list(facts(page)["measures"]) == ["sparseness"]
    assert facts(page)["leaderboards"][0]["metrics"]


def test_a_page_that_is_lost_or_damaged_is_made_again(run: Path) -> None:
    xaikit.run(run)
    page = run.parent / "run" / PAGE
    page.write_text(page.read_text().replace("<title>", "<title>x"))
    result = CliRunner().invoke(commands, ["verify", str(page.parent)])
    assert (result.exit_code, "report.html" in result.output) == (1, True)
    xaikit.run(run)
    assert CliRunner().invoke(commands, ["verify", str(page.parent)]).exit_code == 0


def test_a_run_begun_anew_removes_its_pages_and_no_other_file(run: Path) -> None:
    xaikit.run(run)
    folder = run.parent / "run"
    CliRunner().invoke(commands, ["page", str(folder), str(folder)], catch_exceptions=False)
    (folder / "mine.html").write_text("mine")
    assert {path.name for path in folder.glob("*.html")} == {PAGE, "beside-run.html", "mine.html"}
    xaikit.run(run, ["report.page=false"], again=True)
    assert {path.name for path in folder.glob("*.html")} == {"mine.html"}


def test_the_command_writes_it_once_more_or_elsewhere(run: Path) -> None:
    xaikit.run(run, ["report.page=false"])
    folder = run.parent / "run"
    result = CliRunner().invoke(commands, ["page", str(folder)], catch_exceptions=False)
    assert result.output.rstrip().endswith(str(folder / PAGE))
    CliRunner().invoke(commands, ["page", str(folder), "--to", str(run.parent / "other.html")], catch_exceptions=False)
    assert facts(run.parent / "other.html")["rows"] == facts(folder / PAGE)["rows"]
    result = CliRunner().invoke(commands, ["page", str(run.parent / "nothing")])
    assert isinstance(result.exception, xaikit.StoreError)
