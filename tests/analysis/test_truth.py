"""Methods compared on photographs that the model gets right, or wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

import xaikit
from helpers.runs import CLASSES, config
from xaikit import ConfigError
from xaikit.cli import main


@pytest.fixture
def report(tmp_path: Path) -> xaikit.Report:
    first = xaikit.run(config(tmp_path, methods=["gradcam", "layercam"]))
    predicted = {Path(record.name).name: record.prediction_name for record in first.records}
    other = {name: next(each for each in CLASSES if each != predicted[name]) for name in predicted}
    stated = {"one.png": predicted["one.png"], "two.png": other["two.png"], "three.png": ""}
    (tmp_path / "labels.csv").write_text("path,label\n" + "".join(f"photos/{n},{c}\n" for n, c in stated.items()))
    values = config(tmp_path, methods=["gradcam", "layercam"])
    values["data"] |= {"source": "csv", "path": str(tmp_path / "labels.csv")}
    return xaikit.run(values)


def test_right_and_wrong_ones_alone(report: xaikit.Report) -> None:
    scores = {record.correct: record.score for record in report.records if record.label == "gradcam"}
    assert scores.keys() == {True, False, None}
    for only, correct in (("right", True), ("wrong", False)):
        compared = xaikit.compare(report, measure="score", only=only)  # type: ignore[arg-type]
        assert [group.mean.mean for group in compared.groups] == [pytest.approx(scores[correct])] * 2
        assert compared.notes[0] == f"predictions: 1 of 2 are right; these are the {only} ones alone"
    everything = xaikit.compare(report, measure="score")
    assert everything.groups[0].mean.count == 3
    assert everything.notes[0] == "predictions: 1 of 2 are right; --only right, or wrong, compares these alone"


def test_the_command_and_what_there_is_none_of(
    report: xaikit.Report, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["compare", str(report.folder), "--measure", "score", "--only", "wrong"])
    assert "these are the wrong ones alone" in capsys.readouterr().out
    unlabelled = xaikit.run(config(tmp_path, report={"to": str(tmp_path / "other")}))
    with pytest.raises(ConfigError, match="only: no photograph is right: the data states no classes"):
        xaikit.compare(unlabelled, only="right")
    with pytest.raises(ConfigError, match="only: expected right or wrong, got 'rigth'"):
        xaikit.compare(report, only="rigth")  # type: ignore[arg-type]
