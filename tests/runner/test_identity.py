"""No result is lost, stale or another's, whatever changes between two runs of one folder."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import xaikit
from helpers.runs import config, pictures
from xaikit.report.compaction import compact
from xaikit.report.report import Report

Maps = dict[tuple[str, str], torch.Tensor]


def values(folder: Path, **changes: Any) -> dict[str, Any]:
    mapping = config(folder, methods=["gradcam"], executor={"use": "serial", "threads": 1}, **changes)
    mapping["report"] |= {"overlays": False, "maps": "float32"}
    return mapping


def maps(report: Report) -> Maps:
    """By photograph and trial; that there is one record of each is found out here."""
    records = [(shard.records[at].name, shard.records[at].trial, shard.map(at)) for shard in report.shards() for at in
               range(len(shard.records))]  # fmt: skip
    assert report.query("SELECT count(*) AS n FROM records").to_pylist() == [{"n": len(report.records)}]
    by_key = {(Path(name).name, trial): values for name, trial, values in records}
    assert len(by_key) == len(records) == len(report.records)
    return by_key


def check_as_fresh(mapping: dict[str, Any], **more: Any) -> Report:
    """Run, and compare with a run of the same config in an empty folder."""
    report = xaikit.run(mapping, **more)
    fresh = Path(mapping["report"]["to"]).with_name("fresh")
    shutil.rmtree(fresh, ignore_errors=True)
    expected = maps(xaikit.run({**mapping, "report": {**mapping["report"], "to": str(fresh)}}, **more))
    got = maps(report)
    assert got.keys() == expected.keys()
    for key, values_there in expected.items():
        torch.testing.assert_close(got[key], values_there, rtol=1e-5, atol=1e-6, msg=str(key))
    return report


def explained(report: Report) -> int:
    """Photographs that all sittings have computed something of."""
    return int(report.manifest["counts"]["explained"])


def test_photographs_that_sort_first_take_the_place_of_none(tmp_path: Path) -> None:
    mapping = values(tmp_path)
    xaikit.run(mapping)
    compact(tmp_path / "run")
    for place, name in enumerate(("a0.png", "a1.png", "a2.png")):
        draw = torch.Generator().manual_seed(50 + place)
        Image.fromarray(torch.rand(40, 40, 3, generator=draw).mul(255).byte().numpy()).save(tmp_path / "photos" / name)
    assert explained(check_as_fresh(mapping)) == 6


def test_renamed_then_added(tmp_path: Path) -> None:
    mapping = values(tmp_path)
    xaikit.run(mapping)
    for name in ("one", "two", "three"):
        (tmp_path / f"photos/{name}.png").rename(tmp_path / f"photos/z-{name}.png")
    assert explained(xaikit.run(mapping)) == 3
    pictures(tmp_path / "more", ("w0.png", "w1.png", "w2.png", "w3.png", "w4.png"))
    for name in ("w3.png", "w4.png"):
        (tmp_path / "more" / name).rename(tmp_path / "photos" / f"a-{name}")
    assert explained(check_as_fresh(mapping)) == 5


def test_pictures_show_a_photograph_as_it_is_now(tmp_path: Path) -> None:
    mapping = values(tmp_path)
    mapping["report"] |= {"overlays": True}
    xaikit.run(mapping)
    drawn = sorted((tmp_path / "run").glob("overlays/*two*.png")) + sorted(
        (tmp_path / "run").glob("pictures/*two*.png")
    )
    first = [file.read_bytes() for file in drawn]
    assert len(first) == 2
    edited = tmp_path / "photos" / "two.png"
    before = edited.read_bytes()
    Image.new("RGB", (40, 40), (200, 90, 20)).save(edited)
    xaikit.run(mapping)
    assert all(file.read_bytes() != was for file, was in zip(drawn, first, strict=True))
    edited.write_bytes(before)  # its maps are there still, and are not computed again
    xaikit.run(mapping)
    assert [file.read_bytes() for file in drawn] == first


def test_a_photograph_that_is_edited_compacted_and_edited_again(tmp_path: Path) -> None:
    mapping = values(tmp_path)
    xaikit.run(mapping)
    edited = tmp_path / "photos" / "two.png"
    for shade in (60, 120):
        before = edited.read_bytes()
        Image.new("RGB", (40, 40), (shade, 90, 200)).save(edited)
        check_as_fresh(mapping)
        compact(tmp_path / "run")
    edited.write_bytes(before)
    assert explained(check_as_fresh(mapping)) == 5


def test_data_that_are_swept_are_all_shown(tmp_path: Path) -> None:
    mapping = values(tmp_path)
    folders = [str(pictures(tmp_path / "A" / "x", size=48)), str(pictures(tmp_path / "B" / "x", size=56))]
    swept = {**mapping, "sweep": {"data.path": folders}}
    report = check_as_fresh(swept)
    by_trial = {trial: {record.name for record in report.records if record.trial == trial} for trial in report.names}
    assert [{str(Path(name).parent) for name in names} for names in by_trial.values()] == [{each} for each in folders]
    assert len({record.stem for record in report.records}) == 6
    assert explained(check_as_fresh(swept)) == explained(report), "nothing is computed again, nothing flips"


def test_data_in_another_folder_are_taken_over(tmp_path: Path) -> None:
    mapping = values(tmp_path)
    xaikit.run(mapping)
    (tmp_path / "photos").rename(tmp_path / "renamed")
    assert explained(check_as_fresh({**mapping, "data": {**mapping["data"], "path": str(tmp_path / "renamed")}})) == 3


def test_one_data_after_the_other_in_one_folder(tmp_path: Path) -> None:
    mapping = values(tmp_path)
    other = {**mapping, "data": {**mapping["data"], "path": str(pictures(tmp_path / "other", size=48))}}
    xaikit.run(mapping)
    check_as_fresh(other)
    assert explained(check_as_fresh(mapping)) == 6


SIGNED = """
import torch
from torch import nn

class Signed(nn.Module):
    def __init__(self, sign):
        super().__init__()
        self.sign, self.calls = sign, 0
        self.body = nn.Conv2d(3, 4, 3, 2, 1)
        self.fc = nn.Linear(4, 5)

    def forward(self, x):
        self.calls += 1
        return self.fc(self.body(x).relu().mean((2, 3))) * self.sign

def signed(sign=1.0):
    torch.manual_seed(0)
    return Signed(sign)
"""


def test_a_model_whose_options_differ_is_another_model(tmp_path: Path) -> None:
    mapping = values(tmp_path)
    (tmp_path / "signed.py").write_text(SIGNED)
    mapping["model"] = {"source": "importpath", "factory": f"{tmp_path}/signed.py:signed"}
    mapping |= {"target": 3, "layers": ["body"]}
    report = check_as_fresh({**mapping, "sweep": {"model.kwargs.sign": [1.0, -1.0]}})
    one, other = ([r.score for r in report.records if r.trial == trial] for trial in report.names)
    assert one == [-score for score in other]
    alone = {**mapping, "model": {**mapping["model"], "kwargs": {"sign": -1.0}}}
    again = check_as_fresh(alone)
    assert [record.score for record in again.records] == other
    assert explained(again) == explained(report), "counting its calls makes it no other model"


def test_other_names_of_the_classes_are_shown_and_nothing_is_computed(tmp_path: Path) -> None:
    mapping = values(tmp_path)
    classes = tmp_path / "classes.txt"
    mapping["model"]["classes"] = str(classes)
    classes.write_text("a\nb\nc\nd\ne\n")
    names = [(record.target_name, record.prediction_name) for record in xaikit.run(mapping).records]
    classes.write_text("A\nB\nC\nD\nE\n")
    after = check_as_fresh(mapping)
    assert explained(after) == 3
    assert [(record.target_name, record.prediction_name) for record in after.records] == [
        (one.upper(), other.upper()) for one, other in names
    ]


@pytest.mark.parametrize("merged", [False, True])
def test_parts_that_say_the_same_give_one_record(tmp_path: Path, merged: bool) -> None:
    mapping = values(tmp_path)
    mapping["report"] |= {"shard": 1}
    xaikit.run(mapping)
    # what a driver of another batch size, which has seen the folder empty, writes beside
    other = {**mapping, "report": {**mapping["report"], "to": str(tmp_path / "other")}}
    xaikit.run({**other, "data": {**mapping["data"], "batch_size": 3}})
    (bench,) = (tmp_path / "run" / "shards").iterdir()
    for file in (tmp_path / "other" / "shards" / bench.name).iterdir():
        shutil.copy(file, bench / file.name)
    part = min(bench.glob("*.parquet"))
    shutil.copy(part, part.with_name(f"{part.stem} (1).parquet"))
    if merged:
        compact(tmp_path / "run")
        assert len(list(bench.glob("*.parquet"))) == 1
    assert len(Report(tmp_path / "run").records) == 3
    assert explained(check_as_fresh(mapping)) == 3


def test_only_the_record_of_todays_label_is_shown(tmp_path: Path) -> None:
    mapping = values(tmp_path)
    mapping["target"] = "label"
    table = tmp_path / "labels.csv"
    shown = []
    for label in ("square", "star", "square"):
        table.write_text("".join(["path,label\n", *(f"photos/{n}.png,{label}\n" for n in ("one", "two", "three"))]))
        mapping["data"] = {**mapping["data"], "source": "csv", "path": str(table)}
        report = check_as_fresh(mapping)
        shown.append(([record.target_name for record in report.records], explained(report)))
    assert shown == [(["square"] * 3, 3), (["star"] * 3, 6), (["square"] * 3, 6)]
