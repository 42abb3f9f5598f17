"""Metrics in a run: stored maps are judged once, by whatever asks, and a new label computes only what is its own."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml

import xaikit
from helpers.judges import judges
from helpers.resumed_runs import config_in
from helpers.runs import config
from xaikit.runner.watch import Unwatched


def judged(folder: Path, metrics: Any = None, **changes: Any) -> dict[str, Any]:
    """A run of two methods with a metric of the test's own, without controls."""
    file = judges(folder)
    mean = {"mean": {"use": f"{file}:Mean", "log": str(folder / "log")}}
    values = config(folder, metrics=metrics or mean, **{"controls": False, **changes})
    values["report"]["overlays"] = False
    return values


def calls(folder: Path) -> int:
    """Maps of 32 pixels that the metric was shown since this was last asked: others are those by which it is judged itself."""
    log = folder / "log"
    lines = log.read_text().splitlines() if log.exists() else []
    log.write_text("")
    return sum(int(count) for count, side in map(str.split, lines) if side == "32")


def test_a_value_is_of_the_raw_map_that_is_stored(tmp_path: Path) -> None:
    values = judged(tmp_path)
    values["report"]["maps"] = "float32"
    report = xaikit.run(values)
    table = report.measures.to_pylist()
    assert {(row["trial"], Path(row["name"]).name) for row in table} == {
        (trial, f"{name}.png") for trial in ("gradcam", "layercam") for name in ("one", "two", "three")
    }
    for row in table:
        (raw,) = report.maps(row["name"], row["trial"]).values()
        resized = torch.nn.functional.interpolate(raw[None, None], size=(32, 32), mode="bilinear", align_corners=False)
        assert row["value"] == pytest.approx(float(resized.mean()), rel=1e-4, abs=1e-7)
    assert report.query("SELECT count(*) n FROM measures")["n"].to_pylist() == [6]


@pytest.mark.parametrize("maps", ["float16", "uint8", "float32"])
def test_a_map_that_is_made_again_is_equal_to_the_stored_one_however_that_was_stored(tmp_path: Path, maps: str) -> None:
    """Eigen-CAM's map is the same for every class, and under noise that is nearly none all are; HiResCAM's is signed, of which a
    byte keeps what is positive."""
    values = judged(tmp_path, {"randomlogit": {}, "maxsensitivity": {"radius": 1e-7, "draws": 2}})
    values |= {"methods": ["eigencam", "hirescam"], "finish": {"rectify": "relu"}}
    values["report"]["maps"] = maps
    found: dict[tuple[str, str], list[float]] = {}
    for row in xaikit.run(values).measures.to_pylist():
        found.setdefault((row["metric_label"], row["trial"]), []).append(row["value"])
    assert found["randomlogit", "eigencam"] == pytest.approx([1] * 3, abs=1e-12)
    assert found["maxsensitivity", "eigencam"] + found["maxsensitivity", "hirescam"] == pytest.approx([0] * 6, abs=0.01)


def test_nothing_is_judged_twice_and_a_new_label_judges_only_its_own(tmp_path: Path) -> None:
    values = judged(tmp_path)
    xaikit.run(values)
    assert calls(tmp_path) == 6
    assert xaikit.run(values).measures.num_rows == 6
    assert calls(tmp_path) == 0
    report = xaikit.run({**values, "methods": ["gradcam", "layercam", "hirescam"]})
    assert report.measures.num_rows == 9
    assert calls(tmp_path) == 3, "a new method: its own maps"
    report = xaikit.run({**values, "finish": {"normalize": "minmax"}})
    assert (report.measures.num_rows, calls(tmp_path)) == (6, 0)
    mean = values["metrics"]["mean"]
    report = xaikit.run({**values, "metrics": {"mean": mean, "double": {**mean, "scale": 2}}})
    assert (report.measures.num_rows, calls(tmp_path)) == (12, 6)
    rows = {(row["trial"], row["name"], row["metric_label"]): row["value"] for row in report.measures.to_pylist()}
    for (trial, name, label), value in rows.items():
        assert value == (2 if label == "double" else 1) * rows[trial, name, "mean"]


@pytest.mark.parametrize("name", ["Mean", "Others"])
def test_maps_that_are_taken_over_are_not_judged_again(tmp_path: Path, name: str) -> None:
    """But by what asks for other photographs, as these are other ones."""
    values = judged(tmp_path)
    values["metrics"]["mean"]["use"] = values["metrics"]["mean"]["use"].replace("Mean", name)

    def measured(report: xaikit.Report) -> set[tuple[Any, ...]]:
        return {(row["trial"], row["image"], row["value"]) for row in report.measures.to_pylist()}

    before = measured(xaikit.run(values))
    assert calls(tmp_path) == len(before) == 6
    Path(values["data"]["path"]).rename(tmp_path / "renamed")
    (tmp_path / "renamed" / "one.png").rename(tmp_path / "renamed" / "first.png")
    after = xaikit.run({**values, "data": {**values["data"], "path": str(tmp_path / "renamed")}})
    assert calls(tmp_path) == (6 if name == "Others" else 0)
    assert measured(after) == before
    assert {Path(row["name"]).stem for row in after.measures.to_pylist()} == {"first", "two", "three"}


def test_a_finished_run_is_evaluated_without_explaining_again(tmp_path: Path) -> None:
    values = judged(tmp_path)
    metrics = values.pop("metrics")
    before = xaikit.run(values)
    files = {path: path.read_bytes() for path in (tmp_path / "run" / "shards").rglob("*.*")}
    report = xaikit.evaluate(tmp_path / "run", metrics)
    assert report.measures.num_rows == 6
    assert {path: path.read_bytes() for path in (tmp_path / "run" / "shards").rglob("*.*")} == files
    assert report.counts["gradient_calls"] == before.counts["gradient_calls"]
    again = xaikit.evaluate(tmp_path / "run", {"double": {**metrics["mean"], "scale": 2.0}})
    assert set(again.measures["metric_label"].to_pylist()) == {"mean", "double"}, "what was measured before stays"


def test_equal_maps_are_judged_once(tmp_path: Path) -> None:
    methods = {"one": {"use": "gradcam"}, "same": {"use": "hirescam", "layers": ["body"]}, "three": {"use": "gradcam"}}
    report = xaikit.run(judged(tmp_path, methods=methods, layers=["body"]))
    shown = calls(tmp_path)
    assert report.measures.num_rows == 9
    assert shown == 3, "three labels of one map each"


def test_controls_are_judged_beside_and_drawn_nowhere(tmp_path: Path) -> None:
    report = xaikit.run(judged(tmp_path, controls=True), ["report.overlays=true"])
    table = report.measures
    controls = {row["trial"] for row in table.to_pylist() if row["is_control"]}
    assert controls == {"center", "edges", "randomcam", "uniform"}
    copies = [row for row in table.to_pylist() if row["control"]]
    assert {(row["trial"], row["control"]) for row in copies} == {("gradcam", "blurred"), ("layercam", "blurred")}
    drawn = [path.name for path in (tmp_path / "run" / "overlays").rglob("*.png")]
    assert len(drawn) == 6
    assert not any(control in name for name in drawn for control in controls)
    assert xaikit.run(judged(tmp_path, controls=True)).counts["judged"] == 3, "nothing is judged twice"


def test_draws_of_a_method_are_judged_by_one_metric(tmp_path: Path) -> None:
    methods = {"gradcam": {}, "smooth": {"use": "smoothgradcampp", "n": 2}}
    report = xaikit.run(judged(tmp_path, methods=methods, sweep={"seed": [1, 2]}))
    assert set(report.measures["metric_name"].to_pylist()) == {"mean"}
    rows = xaikit.leaderboard(report).rows()
    assert {row["method"]: row["seeds"] for row in rows} == {"gradcam": 1, "smooth": 2}


def test_a_metric_that_raises_costs_no_other(tmp_path: Path) -> None:
    values = judged(tmp_path)
    values["metrics"]["broken"] = {"use": f"{tmp_path}/judges.py:Broken", "above": 10.0}
    assert not xaikit.run(values).failures
    values["metrics"]["broken"]["above"] = -1.0
    report = xaikit.run(values)
    assert set(report.measures["metric_label"].to_pylist()) == {"mean"}
    assert len(report.failures) == 6
    assert {failure.error for failure in report.failures} == {"metric broken: ValueError: too bright"}
    values["metrics"]["broken"]["above"] = 10.0
    assert not xaikit.run(values).failures


def test_metrics_are_swept_and_named_by_what_tells_them_apart(tmp_path: Path) -> None:
    report = xaikit.run(judged(tmp_path, sweep={"metrics.mean.scale": [1, 2]}))
    assert set(report.measures["metric_name"].to_pylist()) == {"mean (scale=1)", "mean (scale=2)"}
    assert len(report.trials) == 2, "maps do not depend on a metric"


def test_the_plan_says_what_judging_costs(tmp_path: Path) -> None:
    values = judged(tmp_path, {"score": {"use": f"{judges(tmp_path)}:Score"}})
    plan = xaikit.plan(values)
    assert "metrics: score: 2 maps a photograph" in str(plan)
    assert "at most 2 further scores for each of 3 photographs" in str(plan)
    assert plan.judged == 3
    before = xaikit.run({key: value for key, value in values.items() if key != "metrics"}).counts["forwards"]
    report = xaikit.run(values)
    assert report.counts["forwards"] - before <= 2 + 2 * 2, "a clean forward a batch, and one for its variants"
    assert xaikit.plan(values).judged == 0


def test_the_target_that_was_explained_is_scored(tmp_path: Path) -> None:
    values = judged(tmp_path, {"score": {"use": f"{judges(tmp_path)}:Score"}}, target={"use": "classes", "of": [3, 1]})
    rows = xaikit.run(values).measures.to_pylist()
    by_column: dict[int, set[float]] = {}
    for row in rows:
        by_column.setdefault(row["column"], set()).add(round(row["value"], 6))
    assert set(by_column) == {0, 1}
    assert by_column[0].isdisjoint(by_column[1])


DRIVER = "import sys, xaikit; xaikit.run(sys.argv[1])"


def measured(folder: Path) -> list[tuple[Any, ...]]:
    """All that lies in a folder, without times."""
    paths = sorted((folder / "measures").rglob("*.parquet"))
    names = ("evidence", "name", "column", "metric", "control", "value")
    rows = pa.concat_tables([pq.read_table(path) for path in paths]).to_pylist() if paths else []
    return sorted(tuple(row[name] for name in names) for row in rows)


def test_an_evaluation_killed_ten_times_misses_and_doubles_nothing(tmp_path: Path) -> None:
    file = judges(tmp_path)
    values = config_in(tmp_path, metrics={"score": {"use": f"{file}:Score"}}, controls=False)
    xaikit.run({**values, "report": {**values["report"], "to": str(tmp_path / "whole")}})
    without = {key: value for key, value in values.items() if key != "metrics"}
    xaikit.run(without)
    (tmp_path / "killed.yaml").write_text(yaml.safe_dump(values))
    draw, folder = random.Random(0), tmp_path / "run" / "measures"
    killed, committed = 0, 0
    for _ in range(10):
        process = subprocess.Popen(
            [sys.executable, "-c", DRIVER, str(tmp_path / "killed.yaml")], stderr=subprocess.DEVNULL
        )
        while process.poll() is None and len(list(folder.rglob("*.parquet"))) <= committed:
            time.sleep(0.002)
        time.sleep(draw.uniform(0, 0.02))
        killed += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        now = len(list(folder.rglob("*.parquet")))
        assert now >= committed, "what is committed stays"
        committed = now
    assert killed, "some sitting was killed before its end"
    xaikit.run(values)
    rows = measured(tmp_path / "run")
    assert len({row[:5] for row in rows}) == len(rows), "nothing is doubled"
    assert rows == measured(tmp_path / "whole"), "nothing is missing, and values are equal to the bit"


class Interrupting(Unwatched):
    """Presses Ctrl-C when the first maps have been judged."""

    def advanced(self, receipt: Any) -> None:
        if receipt.shard.measures:
            os.kill(os.getpid(), signal.SIGINT)


def test_an_interrupted_evaluation_goes_on(tmp_path: Path) -> None:
    values = config_in(tmp_path, metrics={"score": {"use": f"{judges(tmp_path)}:Score"}}, controls=False)
    report = xaikit.run(values, watcher=Interrupting())
    assert report.stopped
    some = report.measures.num_rows
    assert 0 < some < 48
    assert xaikit.run(values).measures.num_rows == 48


def test_a_damaged_part_is_measured_anew(tmp_path: Path) -> None:
    values = judged(tmp_path)
    report = xaikit.run(values)
    (part,) = (tmp_path / "run" / "measures").rglob("*.parquet")
    part.write_bytes(part.read_bytes()[:-40] + b"x" * 40)
    assert [damage.file for damage in xaikit.verify(tmp_path / "run")] == [str(part.relative_to(tmp_path / "run"))]
    again = xaikit.run(values)
    assert again.measures.select(["name", "trial", "value"]) == report.measures.select(["name", "trial", "value"])


def test_numbers_beside_a_value_are_read_as_json(tmp_path: Path) -> None:
    report = xaikit.run(judged(tmp_path, {"srg": {"block": 8, "steps": 4}}))
    for row in report.measures.to_pylist():
        numbers = json.loads(row["numbers"])
        assert len(numbers["least_first"]) == len(numbers["most_first"]) == 5
        assert row["chance"] == 0
        assert row["metric"].startswith("srg [")


def test_methods_are_compared_by_the_metrics_of_a_run(tmp_path: Path) -> None:
    report = xaikit.run(judged(tmp_path, controls=True))
    comparison = xaikit.compare(report, measure="mean")
    assert [group.name for group in comparison.groups] == ["gradcam", "layercam"]
    assert "mean: mean [" in str(comparison)
    values = [row["value"] for row in report.measures.to_pylist() if row["trial"] == "gradcam" and not row["control"]]
    assert comparison.groups[0].mean.mean == pytest.approx(sum(values) / 3)
    assert "mean" in {row["measure"] for row in xaikit.compare(report).rows()}
    with pytest.raises(xaikit.ConfigError, match=r"measure: expected one of score, .*, mean, got 'men'"):
        xaikit.compare(report, measure="men")
