from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import xaikit
from helpers.runs import config, pictures, tiny
from xaikit.runner.watch import Unwatched


class Steps(Unwatched):
    """A watcher that remembers."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def started(self, plan: Any) -> None:
        self.events.append(("started", plan.photographs, plan.benches[0].done))

    def advanced(self, receipt: Any) -> None:
        self.events.append(("advanced", receipt.photographs))


def test_a_run_gives_maps_and_records_back(tmp_path: Path) -> None:
    report = xaikit.run(config(tmp_path))
    assert [Path(name).name for name in report.images] == ["one.png", "three.png", "two.png"]
    assert report.labels == ("gradcam", "layercam")
    assert len(report.records) == 6
    assert report.map("one.png", "gradcam").shape == (32, 32)
    assert report.maps("one.png", "gradcam")["body"].shape == (8, 8)
    assert report.overlay("one.png", "layercam").is_file()
    assert report.counts["photographs"] == 3
    assert (report.counts["forwards"], report.counts["gradient_calls"]) == (2, 2), "one of each a batch, two batches"
    assert report.sheets == (tmp_path / "run" / "contact-sheet.jpg",)


def test_the_maps_are_those_of_explain(tmp_path: Path) -> None:
    report = xaikit.run(config(tmp_path))
    bench_like = xaikit.load(config(tmp_path))
    assert bench_like.data.transform is not None
    from xaikit.sources import Transform

    transform = Transform(32, 32, (0.5,) * 3, (0.25,) * 3)
    with Image.open(tmp_path / "photos" / "two.png") as image:
        pixels = transform.tensor(transform.picture(image.convert("RGB"))).unsqueeze(0)
    alone = xaikit.explain(tiny(tmp_path), pixels, "gradcam")["gradcam"]
    torch.testing.assert_close(report.map("two.png", "gradcam"), alone.map[0], rtol=0, atol=1e-3)


@pytest.mark.parametrize("target", ["top1", {"use": "top", "k": 2}, {"use": "classes", "of": [2]}])
@pytest.mark.parametrize("method", ["gradcam", "dff"])
def test_maps_have_the_shapes_of_explain(target: Any, method: str, tmp_path: Path) -> None:
    report = xaikit.run(config(tmp_path, target=target, methods=[method]))
    alone = xaikit.explain(tiny(tmp_path), torch.rand(2, 3, 32, 32), method, target=target)[method]
    assert alone.map is not None
    assert report.map("two.png", method).shape == alone.map.shape[1:]
    assert {raw.shape for raw in report.maps("two.png", method).values()} == {
        raw.shape[1:] for raw in alone.maps.values()
    }
    shard = next(iter(report))
    assert shard.map(0).shape == alone.map.shape[1:]
    assert shard.maps(0).keys() == report.maps("two.png", method).keys()


def test_the_same_configuration_again_computes_nothing(tmp_path: Path) -> None:
    xaikit.run(config(tmp_path))
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run" / "shards").rglob("*.*")}
    steps = Steps()
    from xaikit.runner.steps import run

    report = run(config(tmp_path), watcher=steps)
    assert steps.events == [("started", 3, 3)]
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "run" / "shards").rglob("*.*")} == before
    assert report.counts["forwards"] == 2, "counts add up over sittings"


def test_an_interrupted_run_does_what_is_missing(tmp_path: Path) -> None:
    values = config(tmp_path)
    values["report"]["shard"] = 2
    whole = xaikit.run(values)
    expected = whole.map("two.png", "gradcam")
    parts = sorted((tmp_path / "run" / "shards").rglob("*.parquet"))
    assert len(parts) == 2, "three photographs in shards of two"
    parts[1].unlink()
    steps = Steps()
    from xaikit.runner.steps import run

    report = run(values, watcher=steps)
    assert steps.events == [("started", 3, 2), ("advanced", 1)]
    assert torch.equal(report.map("two.png", "gradcam"), expected), "the same batch, the same bytes"


def test_a_changed_file_is_explained_again(tmp_path: Path) -> None:
    before = xaikit.run(config(tmp_path)).maps("one.png", "gradcam")["body"]
    pictures(tmp_path / "photos", ("other.png", "one.png"))
    (tmp_path / "photos" / "other.png").unlink()
    after = xaikit.run(config(tmp_path)).maps("one.png", "gradcam")["body"]
    assert not torch.equal(before, after)


def test_another_configuration_uses_what_the_folder_holds(tmp_path: Path) -> None:
    xaikit.run(config(tmp_path))
    steps = Steps()
    from xaikit.runner.steps import run

    report = run(config(tmp_path, methods=["layercam", "xgradcam"], name="other"), watcher=steps)
    assert steps.events == [("started", 3, 0), ("advanced", 3)], "layercam is there, xgradcam is not"
    assert report.labels == ("layercam", "xgradcam")
    assert len(report.records) == 6
    again = xaikit.run(config(tmp_path))
    assert again.counts["shards"] == 2, "nothing new: the maps of gradcam are still there"
    assert again.labels == ("gradcam", "layercam")
    fresh = run(config(tmp_path, methods=["gradcam"]), again=True)
    assert fresh.counts["shards"] == 1


def test_a_folder_of_other_things_is_never_written_to(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").write_text("mine")
    with pytest.raises(xaikit.StoreError, match=r"got one with other files \('thesis\.tex'\)"):
        xaikit.run(config(tmp_path))
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["thesis.tex"]


def test_a_corrupt_picture_is_recorded_and_stops_no_other(tmp_path: Path) -> None:
    pictures(tmp_path / "photos")
    (tmp_path / "photos" / "broken.png").write_bytes(b"no picture")
    report = xaikit.run(config(tmp_path))
    assert len(report.images) == 3
    assert [Path(failure.name).name for failure in report.failures] == ["broken.png"]
    assert "broken.png" in report.failures[0].error
    pictures(tmp_path / "photos", ("broken.png",))
    mended = xaikit.run(config(tmp_path))
    assert (len(mended.images), mended.failures) == (4, ())


def test_workers_and_batch_size_change_nothing(tmp_path: Path) -> None:
    one = xaikit.run(config(tmp_path), ["data.batch_size=3"]).maps("one.png", "gradcam")["body"]
    two = xaikit.run(config(tmp_path), [f"report.to={tmp_path}/other", "data.workers=2"]).maps("one.png", "gradcam")[
        "body"
    ]
    torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-6)


def test_labels_of_folders_are_matched_by_name_and_never_by_number(tmp_path: Path) -> None:
    pictures(tmp_path / "classes" / "triangle", ("a.png",))
    pictures(tmp_path / "classes" / "Square", ("a.png",))
    values = config(tmp_path, target="label")
    values["data"] = {**values["data"], "source": "imagefolder", "path": str(tmp_path / "classes")}
    report = xaikit.run(values)
    assert {Path(r.name).parent.name: (r.target, r.target_name) for r in report.records} == {
        "Square": (1, "square"),
        "triangle": (2, "triangle"),
    }
    assert len({record.stem for record in report.records}) == 2, "equal file names, different stems"


def test_a_label_that_is_no_class_fails_that_picture_by_name(tmp_path: Path) -> None:
    pictures(tmp_path / "classes" / "square", ("a.png",))
    pictures(tmp_path / "classes" / "triangel", ("b.png",))
    values = config(tmp_path, target="label")
    values["data"] = {**values["data"], "source": "imagefolder", "path": str(tmp_path / "classes")}
    report = xaikit.run(values)
    assert {Path(failure.name).name for failure in report.failures} == {"b.png"}
    assert "did you mean 'triangle'" in report.failures[0].error


@pytest.mark.parametrize("use", ["contrast", "softmax", "margin", "rest"])
def test_other_targets_may_be_of_the_class_that_the_data_states(tmp_path: Path, use: str) -> None:
    pictures(tmp_path / "classes" / "triangle", ("a.png",))
    pictures(tmp_path / "classes" / "triangel", ("b.png",))
    values = config(tmp_path, target={"use": use, "of": "label"})
    values["data"] = {**values["data"], "source": "imagefolder", "path": str(tmp_path / "classes")}
    report = xaikit.run(values)
    assert {record.target_name for record in report.records} == {"triangle"}
    assert {Path(failure.name).name for failure in report.failures} == {"b.png"}
    assert "did you mean 'triangle'" in report.failures[0].error


def test_plural_targets_have_a_map_and_an_overlay_each(tmp_path: Path) -> None:
    report = xaikit.run(config(tmp_path, target={"use": "classes", "of": [1, 4]}))
    assert report.map("one.png", "gradcam").shape == (2, 32, 32)
    assert report.overlay("one.png", "gradcam", 1).is_file()
    named = [record.target_name for record in report.records if record.name.endswith("one.png")]
    assert named == ["square", "cross"] * 2


def test_bad_input_is_found_before_anything_is_written(tmp_path: Path) -> None:
    for changes, error, text in [
        ({"layers": ["bdoy"]}, xaikit.LayerNotFound, "did you mean 'body'"),
        ({"target": 9}, xaikit.ConfigError, r"expected a class index in 0 \.\.\. 4, got 9"),
        ({"layers": ["head"]}, xaikit.TapError, r"layer head returned \(1, 5\)"),
        ({"target": "label"}, xaikit.ConfigError, "the data has no labels"),
    ]:
        with pytest.raises(error, match=text):
            xaikit.run(config(tmp_path, **changes))
        assert not (tmp_path / "run").exists()


def test_the_manifest_says_how_it_came_about(tmp_path: Path) -> None:
    report = xaikit.run(config(tmp_path), ["seed=7"])
    manifest = json.loads((report.folder / "manifest.json").read_text())
    assert manifest["origins"]["seed"] == "override 'seed=7'"
    assert manifest["config"]["seed"] == manifest["seed"] == 7
    assert manifest["plugins"]["xaikit.methods:gradcam"]["distribution"] == "xaikit"
    assert manifest["plugins"]["xaikit.scalers:tanh"]["module"] == "xaikit_finish.scale.tanh"
    assert len(manifest["model"]["weights"]) == 64
    assert {"torch", "xaikit", "python"} <= manifest["versions"].keys()
    assert manifest["trials"]["gradcam"]["finish"]["rectify"] == "relu"
    assert manifest["seconds"]["total"] > 0


def test_open_gives_the_same_back(tmp_path: Path) -> None:
    report = xaikit.run(config(tmp_path))
    again = xaikit.open(report.folder)
    assert again.records == report.records
    assert torch.equal(again.map("one.png", "layercam"), report.map("one.png", "layercam"))
    with pytest.raises(xaikit.StoreError, match="expected the folder of a run"):
        xaikit.open(tmp_path / "nowhere")


def test_plan_tells_what_is_shared(tmp_path: Path) -> None:
    methods = {"gradcam": {}, "layercam": {}, "smooth": {"use": "smoothgradcampp", "n": 6}}
    plan = xaikit.plan(config(tmp_path, methods=methods, target={"use": "top", "k": 3}, layers=["stem", "auto"]))
    (bench,) = plan.benches
    assert (plan.photographs, plan.batches, bench.gradient_calls, bench.taps) == (3, 2, 3, ("stem", "body"))
    assert [trial.further for trial in plan.trials] == [0, 0, 6]
    assert "3 photographs in 2 batches" in str(plan)
    assert not (tmp_path / "run").exists()


def test_a_method_from_a_file_beside_the_config(tmp_path: Path) -> None:
    (tmp_path / "mycam.py").write_text(
        "from dataclasses import dataclass\n"
        "from xaikit import Needs\n"
        "@dataclass(frozen=True)\n"
        "class MyCam:\n"
        "    factor: float = 2.0\n"
        "    needs = Needs()\n"
        "    def explain(self, view):\n"
        "        return self.factor * view.activations.mean(view.channel)\n"
    )
    import yaml

    values = config(tmp_path, methods={"mine": {"use": "./mycam.py:MyCam", "factor": 3}})
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(values))
    report = xaikit.run(tmp_path / "mine.yaml")
    assert report.labels == ("mine",)
    assert report.map("one.png", "mine").max() == pytest.approx(1, abs=0.2)
    (tmp_path / "mine.yaml").write_text((tmp_path / "mine.yaml").read_text().replace("factor:", "fcator:"))
    where = r"mine\.yaml:\d+:\d+: methods\.mine\.fcator: unknown option of .*; did you mean"
    with pytest.raises(xaikit.ConfigError, match=where):
        xaikit.run(tmp_path / "mine.yaml")


def test_a_map_that_float32_does_not_hold_is_remarked(tmp_path: Path) -> None:
    (tmp_path / "large.py").write_text(
        "from dataclasses import dataclass\n"
        "from xaikit import Needs\n"
        "@dataclass(frozen=True)\n"
        "class Large:\n"
        "    needs = Needs()\n"
        "    def explain(self, view):\n"
        "        return 1e300 * view.activations.mean(view.channel).double()\n"
    )
    report = xaikit.run(config(tmp_path, methods={"large": {"use": f"{tmp_path}/large.py"}}, layers=["body.0"]))
    assert {record.warnings for record in report.records} == {
        ("body.0: values that float32 does not hold, kept as infinite",)
    }


def test_precision_is_that_of_passes_that_are_only_scored(tmp_path: Path) -> None:
    methods = {"gradcam": {}, "scorecam": {}}
    full = xaikit.run(config(made(tmp_path / "full"), methods=methods))
    half = xaikit.run(config(made(tmp_path / "half"), methods=methods, precision="bfloat16"))
    assert torch.equal(full.map("one.png", "gradcam"), half.map("one.png", "gradcam"))
    assert not torch.equal(full.map("one.png", "scorecam"), half.map("one.png", "scorecam"))


def test_the_plan_tells_how_replays_are_made_and_what_is_in_memory(tmp_path: Path) -> None:
    plan = str(xaikit.plan(config(tmp_path, methods={"ablationcam": {}, "scorecam": {}}, layers=["stem"])))
    assert "of what lies behind stem alone" in plan
    assert re.search(r"at most in memory at once: \d+ variants of inputs, \d+ of stem\n", plan)


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


ONE_LOGIT = """
from torch.nn import AdaptiveAvgPool2d, Conv2d, Flatten, Linear, ReLU, Sequential


def single():
    return Sequential(Conv2d(3, 4, 3), ReLU(), AdaptiveAvgPool2d(1), Flatten(), Linear(4, 1))
"""


def test_one_logit_has_no_class_that_is_likeliest(tmp_path: Path) -> None:
    values = config(tmp_path, target="binary", layers=["1"])
    (tmp_path / "single.py").write_text(ONE_LOGIT, encoding="utf-8")
    values["model"] = {"source": "importpath", "factory": f"{tmp_path}/single.py:single"}
    (record, *_) = xaikit.run(values).records
    assert (record.prediction, record.prediction_name, record.probability) == (None, "", None)
    assert record.score >= 0  # of the side that is predicted
