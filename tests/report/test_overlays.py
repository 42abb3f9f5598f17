from pathlib import Path

import pytest

from helpers.run_folders import BENCH, FINISH, PICTURE, SIGNED, explain, of_photos, planned, trial
from xaikit.pictures.overlay import overlay
from xaikit.report.overlays import write_missing_overlays, write_overlays
from xaikit.report.report import Report
from xaikit.store.pictures import open_picture, overlay_name, save_picture
from xaikit.store.store import Store


def report_of(store: Store) -> Report:
    # the finishers of the tests are of a module, which the folder names
    return Report(str(store.folder), trust=True)


def test_overlays_that_are_missing_are_drawn_of_every_trial_and_target(tmp_path: Path) -> None:
    store = of_photos(tmp_path, trial(), trial("a/b"), trial("signed", **SIGNED))
    explain(store, "a.jpg", trials=(), columns=2)
    assert write_missing_overlays(report_of(store)) == []
    assert len(store.folder.names("overlays")) == 6
    report = Report(tmp_path)
    for name in ("a/b", "signed"):
        for column, saliency in enumerate(report.map("a", name)):
            drawn = open_picture(store.folder, overlay_name("a", name, column))
            assert drawn is not None
            assert drawn.tobytes() == overlay(PICTURE, saliency, signed=name == "signed").tobytes()


def test_a_map_that_may_be_negative_keeps_its_colours_where_it_is_not(tmp_path: Path) -> None:
    rectified = {**SIGNED, "finish": FINISH}
    store = of_photos(tmp_path, trial("signed", **rectified))
    explain(store, "a.jpg", trials=())
    write_missing_overlays(report_of(store))
    drawn, saliency = open_picture(store.folder, overlay_name("a", "signed", 0)), Report(tmp_path).map("a", "signed")[0]
    assert saliency.min() >= 0
    assert drawn is not None
    assert drawn.tobytes() == overlay(PICTURE, saliency, signed=True).tobytes()
    assert drawn.tobytes() != overlay(PICTURE, saliency).tobytes()


def test_overlays_that_are_there_stay_as_they_are(tmp_path: Path) -> None:
    store = of_photos(tmp_path, trial(), trial("new", **SIGNED))
    explain(store, "a.jpg")
    before = store.folder.read("overlays/a.gradcam.png")
    write_missing_overlays(report_of(store))
    assert store.folder.read("overlays/a.gradcam.png") == before
    assert store.folder.names("overlays") == ["overlays/a.gradcam.png", "overlays/a.new.png"]


def test_those_of_one_part_are_drawn_anew(tmp_path: Path) -> None:
    store = of_photos(tmp_path, names=("a.jpg", "b.jpg"))
    explain(store, "a.jpg", "b.jpg")
    before = store.folder.read("overlays/b.gradcam.png")
    write_overlays(report_of(store), [f"shards/{BENCH}/b-shard.parquet"])
    assert store.folder.read("overlays/a.gradcam.png") != store.folder.read("overlays/b.gradcam.png") != before


def test_what_cannot_be_drawn_is_left_out(tmp_path: Path) -> None:
    unfused = trial("unfused", finish={**FINISH, "fuse": "none"})
    store = of_photos(tmp_path, trial(), unfused, trial("volume", space=(8, 6, 4)), names=("a.jpg", "b.jpg"))
    explain(store, "a.jpg", "b.jpg", trials=())
    store.folder.remove("pictures/b.png")
    assert write_missing_overlays(report_of(store)) == []
    assert store.folder.names("overlays") == ["overlays/a.gradcam.png"]


@pytest.mark.parametrize(
    ("fuse", "message"), [("helpers.finishers:Faulty", "ValueError: by somebody else"), ("gone", "no fuser 'gone'")]
)
def test_what_cannot_be_finished_is_a_failure_of_its_trial(tmp_path: Path, fuse: str, message: str) -> None:
    store = of_photos(tmp_path, trial("faulty", finish={**FINISH, "fuse": fuse}), trial())
    explain(store, "a.jpg", trials=(), columns=2)
    (failure,) = write_missing_overlays(report_of(store))
    assert store.folder.names("overlays") == ["overlays/a.gradcam.1.png", "overlays/a.gradcam.png"]
    assert failure.error.startswith("faulty: the map cannot be finished: ")
    assert message in failure.error
    assert message in failure.details
    where = failure.bench, failure.name, failure.image, failure.evidence
    assert where == (BENCH, "photos/a.jpg", "digest of photos/a.jpg", "e1")


def test_hostile_names_stay_in_the_folder(tmp_path: Path) -> None:
    store = planned(tmp_path)
    for name in ("../../up", "a/b", "", "con", "x" * 300, "日本"):
        assert overlay_name("cat", name, 0).rpartition("/")[0] == "overlays"
        save_picture(store.folder, overlay_name("cat", name, 1), PICTURE)
    assert len(list((tmp_path / "overlays").iterdir())) == 6
