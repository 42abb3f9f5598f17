"""What trials share in a run: one pass, one map, one row."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

import xaikit
from helpers.runs import config
from xaikit.runner.watch import Unwatched

if TYPE_CHECKING:
    from xaikit import Report

SWEEP = {
    "layers": [["stem"], ["stem", "body"]],
    "methods.layercam.finish.scale.gamma": [1, 2, 4],
    "target": ["top1", 3],
}


def swept(folder: Path, **changes: Any) -> Report:
    methods = {"gradcam": {}, "layercam": {"finish": {"scale": "tanh"}}}
    values = config(folder, methods=methods, sweep=SWEEP, **changes)
    values["report"]["overlays"] = False
    values["report"]["maps"] = "float32"
    return xaikit.run(values)


def test_trials_fan_out_from_one_trace(tmp_path: Path) -> None:
    report = swept(tmp_path)
    assert len(report.trials) == 4 + 12, "gradcam does not depend on the gamma of layercam"
    assert report.counts["forwards"] == 2, "one a batch"
    assert report.counts["gradient_calls"] == 4, "two targets, two batches"
    keys = {key for trial in report.trials for key in trial.maps}
    assert len(keys) == 2 * 2 * 2, "methods x layers x targets"


def test_a_trial_of_a_sweep_is_what_it_is_alone(tmp_path: Path) -> None:
    report = swept(tmp_path)
    for trial in report.trials:
        gamma = trial.where.get("methods.layercam.finish.scale.gamma")
        method: dict[str, Any] = {"use": trial.method} | (
            {"finish": {"scale": {"use": "tanh", "gamma": gamma}}} if gamma else {}
        )
        alone = xaikit.run(
            config(tmp_path, methods={"alone": method}, layers=list(trial.layers), target=dict(trial.target)),
            [f"report.to={tmp_path}/alone", "report.maps=float32"],
            axes=(),
        )
        torch.testing.assert_close(
            report.map("one.png", trial.name), alone.map("one.png", "alone"), rtol=1e-5, atol=1e-6
        )


def test_swept_keys_are_columns(tmp_path: Path) -> None:
    report = swept(tmp_path)
    rows = report.query(
        """SELECT label, "methods.layercam.finish.scale.gamma" AS gamma, count(*) AS n
        FROM records GROUP BY ALL ORDER BY ALL"""
    ).to_pylist()
    assert rows == [
        {"label": "gradcam", "gamma": None, "n": 12},
        *({"label": "layercam", "gamma": gamma, "n": 12} for gamma in (1, 2, 4)),
    ]


FORMULA = """
from dataclasses import dataclass
from xaikit import Needs

@dataclass(frozen=True)
class Mine:
    needs = Needs()
    def explain(self, view):
        return FACTOR * view.activations.mean(view.channel)
"""


def test_an_edited_formula_is_computed_again_and_only_it(tmp_path: Path) -> None:
    for name in ("mine", "yours"):
        (tmp_path / f"{name}.py").write_text(FORMULA.replace("FACTOR", "1.0"))
    methods = {name: {"use": f"{tmp_path}/{name}.py:Mine"} for name in ("mine", "yours")}
    values = config(tmp_path, methods=methods)
    before = xaikit.run(values).maps("one.png", "mine")["body"]
    (tmp_path / "mine.py").write_text(FORMULA.replace("FACTOR", "-1.0"))
    steps = []

    class Steps(Unwatched):
        def advanced(self, receipt: Any) -> None:
            steps.append(len(receipt.shard.evidence))

    from xaikit.runner.steps import run

    after = run(values, watcher=Steps())
    assert steps == [1], "the other method is not computed again"
    torch.testing.assert_close(after.maps("one.png", "mine")["body"], -before)
    assert (after.maps("one.png", "yours")["body"] == before).all()


def test_a_new_finish_computes_nothing(tmp_path: Path) -> None:
    first = xaikit.run(config(tmp_path))
    again = xaikit.run(config(tmp_path, finish={"normalize": "minmax", "scale": "tanh"}))
    assert again.counts["shards"] == first.counts["shards"]
    assert again.overlay("one.png", "gradcam").is_file()
    assert not torch.equal(first.map("one.png", "gradcam"), again.map("one.png", "gradcam"))
