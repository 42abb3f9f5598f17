"""What a page holds is what the run says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from helpers.page_runs import LABELS, bump, page_run
from xaikit.registry import Registry
from xaikit.report.page.facts import Plain
from xaikit.report.page.payload import payload
from xaikit.report.report import Report


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return page_run(tmp_path_factory.mktemp("run") / "run")


@pytest.fixture(scope="module")
def facts(report: Report) -> Plain:
    values: Plain = json.loads(json.dumps(payload([report], Registry().lazy()), allow_nan=False))
    return values


def test_rows_are_what_a_query_says(report: Report, facts: Plain) -> None:
    names = (
        "target",
        "target_name",
        "score",
        "prediction",
        "prediction_name",
        "probability",
        "seconds",
        "truth",
        "correct",
    )
    rows = facts["rows"]
    places = {
        (facts["photographs"][photograph]["name"], facts["trials"][trial]["name"], column): place
        for place, (photograph, trial, column) in enumerate(
            zip(rows["photograph"], rows["trial"], rows["column"], strict=True)
        )
    }
    answers = report.query("SELECT * FROM records").to_pylist()
    assert len(answers) == len(places) == len(rows["trial"])
    for answer in answers:
        place = places[answer["name"], answer["trial"], answer["column"]]
        assert {name: rows[name][place] for name in names} == {name: answer[name] for name in names}
        assert rows["warnings"][place] == answer["warnings"]


def test_measures_are_what_a_query_says(report: Report, facts: Plain) -> None:
    answers = report.query("SELECT * FROM measures").to_pylist()
    rows, defined = facts["rows"], 0
    for answer in answers:
        (place,) = [
            at
            for at, (photograph, trial) in enumerate(zip(rows["photograph"], rows["trial"], strict=True))
            if facts["photographs"][photograph]["name"] == answer["name"]
            and facts["trials"][trial]["name"] == answer["trial"]
        ]
        measure = facts["measures"][answer["metric_name"]]
        value = measure["values"][place]
        assert value == answer["value"] or (value is None and answer["value"] != answer["value"])
        assert measure["reasons"].get(str(place), "") == answer["reason"]
        defined += value is not None
    assert defined == len(answers) - 1


def test_maps_are_those_of_the_run_raw_and_finished(report: Report, facts: Plain) -> None:
    name, trial = report.images[1], LABELS[1]
    (row,) = [
        at
        for at, (p, t) in enumerate(zip(facts["rows"]["photograph"], facts["rows"]["trial"], strict=True))
        if facts["photographs"][p]["name"] == name and facts["trials"][t]["name"] == trial
    ]
    raw = facts["maps"]["index"][row]
    assert [(entry[0], entry[2], entry[3]) for entry in raw] == [("layer3", 7, 7), ("layer4", 7, 7)]
    assert raw[0][5] == pytest.approx(float(bump(1, 1, 0, 7).abs().max()))
    finished = facts["maps"]["finished"][row]
    assert [entry[0] for entry in finished] == ["layer3", "layer4", ""]
    assert finished[2][7] is None  # of 56 cells a side


def test_a_run_without_metrics_or_pictures(tmp_path: Path) -> None:
    report = page_run(tmp_path / "run", metrics=())
    for picture in (tmp_path / "run" / "pictures").iterdir():
        picture.unlink()
    facts = payload([report], Registry().lazy())
    assert facts["measures"] == {}
    assert [photograph["thumbnail"] for photograph in facts["photographs"]] == [None] * 4


def test_two_runs_stand_beside_each_other(tmp_path: Path, report: Report) -> None:
    other = page_run(tmp_path / "other", photographs=2)
    facts = payload([report, other], Registry().lazy())
    assert [trial["run"] for trial in facts["trials"]] == [0, 0, 0, 1, 1, 1]
    assert [photograph["run"] for photograph in facts["photographs"]] == [0, 0, 0, 0, 1, 1]
    assert len(facts["rows"]["trial"]) == 12 + 6
    assert len(facts["measures"]["srg"]["values"]) == 18
    assert facts["title"] == "run and other"
