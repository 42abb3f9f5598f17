"""Who explains the class that the data states: a target says so, whoever wrote it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import xaikit
from helpers.distributions import installing
from helpers.runs import config, pictures

if TYPE_CHECKING:
    from xaikit import Report

STATED = """
from dataclasses import dataclass
from xaikit import ConfigError, PinnedClasses, hookimpl

@dataclass(frozen=True)
class Stated:
    needed: bool = True

    @property
    def needs_labels(self):
        return self.needed

    def pin(self, output, labels):
        if labels is None:
            raise ConfigError("stated: no labels")
        return PinnedClasses(labels.unsqueeze(1))

@hookimpl
def xaikit_target():
    return Stated
"""


def run(folder: Path, data: dict[str, Any], **target: Any) -> Report:
    """Two methods, one by the third party's target and one by the class that scores highest."""
    (folder / "stated.py").write_text(STATED)
    stated = {"use": f"{folder}/stated.py:Stated", **target}
    methods = {"stated": {"use": "gradcam", "target": stated}, "free": {"use": "gradcam"}}
    values = config(folder, methods=methods)
    return xaikit.run({**values, "data": {**values["data"], **data}})


def explained(report: Report, label: str) -> dict[str, int | None]:
    return {Path(record.name).name: record.target for record in report.records if record.label == label}


def table(folder: Path, **labels: str) -> dict[str, str]:
    pictures(folder / "photos", tuple(f"{name}.png" for name in labels))
    rows = "".join(f"photos/{name}.png,{label}\n" for name, label in labels.items())
    (folder / "labels.csv").write_text(f"path,label\n{rows}")
    return {"source": "csv", "path": str(folder / "labels.csv")}


def test_a_target_of_somebody_else_is_given_the_labels_that_it_says_it_needs(tmp_path: Path) -> None:
    for name, label in (("a.png", "triangle"), ("b.png", "Square")):
        pictures(tmp_path / "classes" / label, (name,))
    report = run(tmp_path, {"source": "imagefolder", "path": str(tmp_path / "classes")})
    assert explained(report, "stated") == {"a.png": 2, "b.png": 1}
    assert report.failures == ()


def test_an_installed_one_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with installing(tmp_path / "site", monkeypatch) as install:
        install("stated-target", "[xaikit.targets]\nstated = stated_target\n", STATED)
        values = config(tmp_path, methods=["gradcam"], target="stated")
        report = xaikit.run({**values, "data": {**values["data"], **table(tmp_path, a="star", b="3")}})
    assert explained(report, "gradcam") == {"a.png": 3, "b.png": 3}


def test_photographs_without_a_label_fail_for_it_and_not_for_others(tmp_path: Path) -> None:
    report = run(tmp_path, table(tmp_path, a="star", b="", c="triangel", d="circle"))
    assert explained(report, "stated") == {"a.png": 3, "d.png": 0}
    assert explained(report, "free").keys() == {"a.png", "b.png", "c.png", "d.png"}
    errors = {Path(failure.name).name: failure.error for failure in report.failures}
    assert errors.keys() == {"b.png", "c.png"}
    assert "stated: no labels" in errors["b.png"]
    assert "did you mean 'triangle'" in errors["c.png"]


def test_a_label_that_has_changed_is_computed_again(tmp_path: Path) -> None:
    run(tmp_path, table(tmp_path, a="star", b="circle"))
    report = run(tmp_path, table(tmp_path, a="star", b="cross"))
    assert report.counts["explained"] == 3, "two photographs, and one of them again"


def test_without_its_word_a_target_is_given_none(tmp_path: Path) -> None:
    with pytest.raises(xaikit.ConfigError, match="stated: no labels"):
        run(tmp_path, table(tmp_path, a="star"), needed=False)


def test_a_label_that_no_output_has_is_said_with_its_sample_also_where_it_comes_first(tmp_path: Path) -> None:
    data = table(tmp_path, one="99", two="1")
    unnamed = {"source": "importpath", "factory": f"{tmp_path}/models.py:tiny"}
    values = config(tmp_path, methods="gradcam", target="label", model=unnamed)
    with pytest.raises(xaikit.ConfigError, match="got 99") as raised:
        xaikit.run({**values, "data": {**values["data"], **data}})
    (note,) = raised.value.__notes__
    assert note.endswith("one.png, whose label is '99'")
