"""Classes by name: what the outputs are called, targets that name them, and whether the model is right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import xaikit
from helpers.runs import CLASSES, config, pictures
from xaikit import ConfigError
from xaikit.cli import main


def run(folder: Path, model: dict[str, Any] | None = None, **changes: Any) -> xaikit.Report:
    values = config(folder, **{"methods": ["gradcam"], **changes})
    return xaikit.run({**values, "model": {**values["model"], **(model or {})}})


def test_a_class_goes_by_its_name_wherever_it_goes_by_its_index(tmp_path: Path) -> None:
    methods = {
        "named": {"use": "gradcam", "target": "star"},
        "numbered": {"use": "gradcam", "target": 3},
        "several": {"use": "gradcam", "target": {"use": "classes", "of": ["Circle", 4]}},
        "contrast": {"use": "gradcam", "target": {"use": "contrast", "of": "star", "against": ["cross"]}},
        "softmax": {"use": "gradcam", "target": {"use": "softmax", "of": "star"}},
        "likeliest": {"use": "gradcam", "target": {"use": "softmax", "of": "top"}},
    }
    report = run(tmp_path, methods=methods)
    explained = {label: {record.target for record in report.records if record.label == label} for label in methods}
    likeliest = {record.prediction for record in report.records}
    assert explained == {
        "named": {3}, "numbered": {3}, "several": {0, 4}, "contrast": {3}, "softmax": {3}, "likeliest": likeliest,
    }  # fmt: skip
    evidence = {trial.label: trial.evidence for trial in report.trials}
    assert evidence["named"] == evidence["numbered"], "computed once"
    assert {record.target_name for record in report.records if record.label == "named"} == {"star"}


def test_a_name_says_another_class_where_the_names_have_moved(tmp_path: Path) -> None:
    first = run(tmp_path, target="star")
    moved = run(tmp_path, {"classes": CLASSES[::-1]}, target="star")
    assert [{record.target for record in report.records} for report in (first, moved)] == [{3}, {1}]


def test_an_unknown_name_lists_the_nearest_class_and_the_nearest_target(tmp_path: Path) -> None:
    message = (
        r"target: index: the model has no class 'lable'; known: .*; nor is there a target of that name: .* 'label'"
    )
    with pytest.raises(ConfigError, match=message):
        run(tmp_path, target="lable")
    with pytest.raises(
        ConfigError, match=r"methods\.a\.target: index: the model has no class 'stra'; did you mean 'star'\?"
    ):
        run(tmp_path, methods={"a": {"use": "gradcam", "target": "stra"}})
    with pytest.raises(
        ConfigError, match=r"class names are unknown; expected an index, or the names as model\.classes"
    ):
        run(tmp_path, {"classes": None}, target="star")


def test_a_name_that_a_target_has_as_well_is_refused_and_both_can_be_said(tmp_path: Path) -> None:
    classes = ["box", "softmax", "top", "star", "label"]
    message = r"target: 'softmax' is a target and a class .* \{use: xaikit:softmax\}, .* \{use: logit, index: softmax\}"
    with pytest.raises(ConfigError, match=message):
        run(tmp_path, {"classes": classes}, target="softmax")
    report = run(tmp_path, {"classes": classes}, target={"use": "logit", "index": "softmax"})
    assert {record.target for record in report.records} == {1}
    assert run(tmp_path, {"classes": classes}, target={"use": "xaikit:softmax"}).failures == ()
    assert run(tmp_path, {"classes": classes}).failures == (), "nobody has said top: it is the default"


def test_classes_are_a_file_beside_the_config_a_list_or_imagenet(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = config(tmp_path)
    (tmp_path / "names.txt").write_text("\n".join(CLASSES))
    (tmp_path / "run.yaml").write_text(
        "model: {source: importpath, factory: models:tiny, classes: names.txt}\n"
        "data: {source: folder, path: photos, transform: {size: 32, crop: 32, mean: [0.5, 0.5, 0.5], std: [1, 1, 1]}}\n"
        f"methods: gradcam\ntarget: cross\nreport: {{to: {tmp_path}/run}}\n"
    )
    report = xaikit.run(tmp_path / "run.yaml")
    assert {record.target for record in report.records} == {4}
    assert report.images[0] == "photos/one.png", "as the config says it"
    with pytest.raises(ConfigError, match="classes: expected 5 names, as many as outputs, got 1000"):
        xaikit.run(tmp_path / "run.yaml", ["model.classes=imagenet", "target=top1"])
    with pytest.raises(SystemExit):
        main(["run", str(tmp_path / "run.yaml"), "target=crss"])
    assert (
        "override 'target=crss': target: index: the model has no class 'crss'; did you mean 'cross'"
        in capsys.readouterr().err
    )
    del values


def test_the_class_that_the_data_states_and_whether_the_model_is_right(tmp_path: Path) -> None:
    pictures(tmp_path / "photos", ("a.png", "b.png", "c.png", "d.png"))
    first = run(tmp_path)
    predicted = {Path(record.name).name: record.prediction_name for record in first.records}
    assert {(record.truth, record.truth_name, record.correct) for record in first.records} == {(None, "", None)}
    wrong = next(name for name in CLASSES if name != predicted["b.png"])
    labels = {"a.png": predicted["a.png"].upper(), "b.png": wrong, "c.png": "dog", "d.png": ""}
    (tmp_path / "labels.csv").write_text(
        "path,label\n" + "".join(f"photos/{name},{label}\n" for name, label in labels.items())
    )
    values = config(tmp_path, methods=["gradcam"])
    values["data"] |= {"source": "csv", "path": str(tmp_path / "labels.csv")}
    report = xaikit.run(values)
    assert report.failures == (), "nobody asks for labels, so that an unknown one is no failure"
    assert {Path(record.name).name: (record.truth_name, record.correct) for record in report.records} == {
        "a.png": (predicted["a.png"], True), "b.png": (wrong, False), "c.png": ("dog", None), "d.png": ("", None),
    }  # fmt: skip
    answer = report.query("SELECT name, truth, truth_name, correct FROM records ORDER BY position").to_pylist()
    assert [row["correct"] for row in answer] == [True, False, None, None]
    assert [row["truth"] for row in answer] == [CLASSES.index(predicted["a.png"]), CLASSES.index(wrong), None, None]


def test_where_a_name_was_written_is_known_of_the_option_that_it_is(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(
        "model: {source: samples}\ndata: {source: samples}\nmethods: [gradcam]\ntarget: tabby cat\n"
    )
    config = xaikit.load(tmp_path / "c.yaml")
    assert config.target.options == {"index": "tabby cat"}
    assert config.origins["target.index"] == config.origins["target.use"] == f"{tmp_path}/c.yaml:4:1"
    assert config.origins["seed"] == "default"
    assert xaikit.load(config.plain()) == config
