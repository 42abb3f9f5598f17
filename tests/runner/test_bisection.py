from __future__ import annotations

from pathlib import Path
from typing import Any

import xaikit
from helpers.runs import config, pictures

MOODY = """
from dataclasses import dataclass
import torch
from xaikit import Needs

@dataclass(frozen=True)
class Moody:
    needs = Needs(gradients=1, inputs=True)
    def explain(self, view):
        if (view.image.amin((1, 2, 3)) > 1.9).any():
            raise ValueError("too bright for me")
        return (view.activations * view.gradients).sum(view.channel)
"""


def moody(folder: Path, **changes: Any) -> dict[str, Any]:
    pictures(folder / "photos", tuple(f"{n}.png" for n in range(7)))
    from PIL import Image

    Image.new("RGB", (40, 40), "white").save(folder / "photos" / "white.png")
    (folder / "moody.py").write_text(MOODY)
    return config(folder, methods={"gradcam": {}, "moody": {"use": f"{folder}/moody.py:Moody"}}, **changes)


def test_a_method_that_raises_on_one_picture_loses_that_one_alone(tmp_path: Path) -> None:
    values = moody(tmp_path)
    values["data"]["batch_size"] = 8
    report = xaikit.run(values)
    by_trial = report.query("SELECT trial, count(*) AS n FROM records GROUP BY trial ORDER BY trial").to_pylist()
    assert by_trial == [{"trial": "gradcam", "n": 8}, {"trial": "moody", "n": 7}]
    assert [Path(failure.name).name for failure in report.failures] == ["white.png"]
    assert "ValueError: too bright for me" in report.failures[0].error
    assert "while explaining moody (" in report.failures[0].error
    assert "Traceback" in report.failures[0].details
    failures = report.query("SELECT trials, error FROM failures").to_pylist()
    assert failures[0]["trials"] == "moody"
    assert report.manifest["counts"]["failed"] == 1


def test_a_label_that_is_no_class_costs_only_what_asks_for_it(tmp_path: Path) -> None:
    pictures(tmp_path / "classes" / "square", ("a.png",))
    pictures(tmp_path / "classes" / "triangel", ("b.png",))
    methods = {"labelled": {"use": "gradcam", "target": "label"}, "free": {"use": "gradcam"}}
    values = config(tmp_path, methods=methods)
    values["data"] = {**values["data"], "source": "imagefolder", "path": str(tmp_path / "classes")}
    report = xaikit.run(values)
    assert {(Path(record.name).name, record.trial) for record in report.records} == {
        ("a.png", "labelled"),
        ("a.png", "free"),
        ("b.png", "free"),
    }
    assert "did you mean 'triangle'" in report.failures[0].error
