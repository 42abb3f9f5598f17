"""What is measured depends on where the data states objects; what is explained does not."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

import xaikit
from helpers.runs import config
from xaikit_metrics.maxboxacc import MaxBoxAcc

HEADER = "path,x_min,y_min,x_max,y_max,label\n"


def judged(folder: Path, **data: Any) -> tuple[xaikit.Report, dict[tuple[str, str], dict[str, Any]]]:
    """A run with two metrics, and its measures of gradcam by photograph and metric."""
    written = config(folder, metrics=["energypointing", "sparseness"], methods=["gradcam"], controls=False)
    written["data"] |= data
    report = xaikit.run(written)
    assert report.failures == ()
    rows = report.measures.to_pylist()
    return report, {(Path(row["name"]).name, row["metric_label"]): row for row in rows}


def commits(report: xaikit.Report) -> dict[Any, int]:
    table = report.index.measures().to_pylist()
    return {(row["name"], row["metric"]): row["commit"] for row in table}


def test_a_changed_annotation_is_measured_anew_and_nothing_else(tmp_path: Path) -> None:
    boxes = tmp_path / "boxes.csv"
    boxes.write_text(HEADER + "one.png,0,0,20,40,\ntwo.png,0,0,40,20,\n")
    first, before = judged(tmp_path, annotations=str(boxes))
    assert before["one.png", "energypointing"]["chance"] == pytest.approx(0.5)
    assert before["three.png", "energypointing"]["reason"] == "no object is stated"
    parts, stamps = first.index.parts, commits(first)

    again, same = judged(tmp_path, annotations=str(boxes))
    assert commits(again) == stamps, "nothing has changed, and nothing is measured"
    assert repr(same) == repr(before)

    boxes.write_text(HEADER + "one.png,0,0,40,10,\ntwo.png,0,0,40,20,\n")
    second, after = judged(tmp_path, annotations=str(boxes))
    assert second.index.parts == parts, "no map depends on an annotation"
    changed = [key for key, stamp in commits(second).items() if stamp != stamps[key]]
    assert [Path(name).name for name, _ in changed] == ["one.png"]
    assert after["one.png", "energypointing"]["chance"] == pytest.approx(0.25)
    assert after["one.png", "energypointing"]["value"] != before["one.png", "energypointing"]["value"]
    assert after["two.png", "energypointing"] == before["two.png", "energypointing"]


def test_labels_of_boxes_are_matched_with_the_class_that_is_explained(tmp_path: Path) -> None:
    boxes = tmp_path / "boxes.csv"
    report, _ = judged(tmp_path)
    explained = {Path(record.name).name: record.target_name for record in report.records}
    boxes.write_text(HEADER + f"one.png,0,0,20,40,{explained['one.png']}\ntwo.png,0,0,40,20,unknown\n")
    _, rows = judged(tmp_path, annotations=str(boxes))
    assert math.isfinite(rows["one.png", "energypointing"]["value"])
    assert rows["two.png", "energypointing"]["reason"] == "no object of the explained class is stated"


def test_a_threshold_is_chosen_when_all_photographs_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    boxes = tmp_path / "boxes.csv"
    boxes.write_text(HEADER + "".join(f"{name}.png,4,4,{end},30,\n" for name, end in (("one", 30), ("two", 20))))
    written = config(tmp_path, metrics=["maxboxacc"], methods=["gradcam"], controls=False)
    written["data"] |= {"annotations": str(boxes)}
    report = xaikit.run(written)
    rows = [row for row in report.measures.to_pylist() if not row["reason"]]
    stored = [row for row in report.index.measures().to_pylist() if not row["reason"]]
    expected = MaxBoxAcc.refine([json.loads(row["numbers"]) for row in stored])
    assert [row["value"] for row in rows] == expected
    queried = report.query("SELECT value FROM measures WHERE reason = '' ORDER BY name")
    assert sorted(queried["value"].to_pylist()) == sorted(expected)

    monkeypatch.setattr(MaxBoxAcc, "refine", lambda self, numbers: numbers[0]["gone"])
    gone = xaikit.open(report.folder).measures.to_pylist()
    assert [row["reason"] for row in gone].count("refine: KeyError: 'gone'") == 2
    assert all(math.isnan(row["value"]) for row in gone)
    monkeypatch.setattr(MaxBoxAcc, "refine", lambda self, numbers: [0.5])
    short = [row["reason"] for row in xaikit.open(report.folder).measures.to_pylist()]
    assert short.count("refine: PluginContract: expected 2 values, one a photograph, got 1") == 2
