import uuid
from pathlib import Path

import pytest
import torch
from PIL import Image

import xaikit
from helpers.run_folders import BENCH, FINISH, commit, maps, planned, row, trial
from helpers.runs import config
from xaikit.errors import StoreError
from xaikit.report.report import Report
from xaikit.store.pictures import save_picture
from xaikit.store.rows import Failure
from xaikit.store.store import Store

NAMES = ("b/dog.jpg", "b/cat.jpg", "a/cat.jpg", "b/broken.jpg")
EXPLAINED = ("a/cat.jpg", "b/cat.jpg", "b/dog.jpg")
MAPS = maps(3)


STRIDES = {"rectify": "relu", "normalize": "none", "scale": "helpers.finishers:Strides", "resize": "input",
           "fuse": "helpers.finishers:Digits"}  # fmt: skip
"""Of strides 16 and 32 the map is 32016 everywhere."""


def trusted(folder: str | Path) -> Report:
    """A report that may import the finishers of the tests, which the folder names."""
    return Report(folder, trust=True)


def run(where: str | Path) -> Store:
    others = [
        trial("opposite", finish={**STRIDES, "scale": {"use": "helpers.finishers:Strides", "times": -1.0}}),
        trial("unfused", finish={**FINISH, "fuse": "none"}),
    ]
    store = planned(where, [trial(finish=STRIDES), *others], NAMES)
    rows = [row(name, warnings=["layer4: zero map"] if "dog" in name else []) for name in EXPLAINED]
    commit(store, "000000-a", rows, MAPS)
    save_picture(store.folder, "overlays/dog.gradcam.png", Image.new("RGB", (6, 8)))
    store.write_failures([Failure(BENCH, "b/broken.jpg", "", "", "cut short")])
    store.write_manifest({"counts": {"forwards": 2}, "stopped": "the budget is spent"})
    return store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    run(tmp_path)
    return tmp_path


def test_a_report_says_what_is_there(folder: Path) -> None:
    report = trusted(folder)
    assert report.folder == folder
    assert report.images == NAMES[:3], "in the order of the plan"
    assert report.labels == report.names == ("gradcam", "opposite", "unfused")
    assert [failure.name for failure in report.failures] == ["b/broken.jpg"]
    assert report.warnings[0] == "gradcam, layer4: 1 of 3 photographs: zero map"
    assert (report.counts, report.stopped) == ({"forwards": 2}, "the budget is spent")
    assert repr(report) == f"Report('{folder}': 3 photographs by gradcam, opposite, unfused, 1 failed)"
    assert len(report.records) == 9
    assert {record.name for record in report.head(1)} == {"b/dog.jpg"}


def test_many_trials_are_counted(tmp_path: Path) -> None:
    planned(tmp_path, [trial(f"sharp/{count}", label="sharp") for count in range(9)])
    assert repr(trusted(tmp_path)) == f"Report('{tmp_path}': 0 photographs by 9 trials, 0 failed)"


@pytest.mark.parametrize("image", ["b/dog.jpg", "dog.jpg", "dog"])
def test_a_photograph_is_called_by_its_name_its_file_or_its_stem(folder: Path, image: str) -> None:
    report = trusted(folder)
    decoded = report.maps(image, "gradcam")
    assert list(decoded) == ["layer3", "layer4"]
    for layer, each in decoded.items():
        torch.testing.assert_close(each, MAPS[f"q1/{layer}"][2], rtol=0, atol=2**-9)
    assert report.overlay(image, "gradcam") == folder / "overlays" / "dog.gradcam.png"


def test_trials_that_differ_in_finish_share_one_stored_map_and_both_finish_it(folder: Path) -> None:
    report = trusted(folder)
    assert len(list((folder / "shards").rglob("*.safetensors"))) == 1
    assert report.map("dog", "gradcam").shape == (1, 8, 6)
    assert (report.map("dog", "gradcam") == 32016).all()
    assert (report.map("dog", "opposite") == -32016).all()
    for layer, each in report.maps("dog", "gradcam").items():
        assert torch.equal(each, report.maps("dog", "opposite")[layer])


@pytest.mark.parametrize("called", ["sharp/8", "abcdef012", "abcdef"])
def test_a_trial_is_called_by_its_name_or_its_id(tmp_path: Path, called: str) -> None:
    trials = [
        trial("sharp/8", label="sharp", id="abcdef012", finish=STRIDES),
        trial("sharp/16", label="sharp", id="abcabc012", finish=STRIDES, strides=(1.0, 1.0)),
    ]
    commit(planned(tmp_path, trials), "000000-a", [row()])
    report = trusted(tmp_path)
    assert (report.map("cat", called) == 32016).all()
    assert (report.map("cat", "sharp/16") == 1001).all()
    with pytest.raises(StoreError, match="'sharp' may be any of these; name one in full:\n  sharp/8\n  sharp/16"):
        report.map("cat", "sharp")
    with pytest.raises(StoreError, match="no label 'abc'"):
        report.map("cat", "abc")


def test_a_name_that_is_another_label_may_be_any_of_them(tmp_path: Path) -> None:
    trials = [
        trial("a (seed=1)", label="a", id="abcdef0"),
        trial("a (seed=1) (seed=0)", label="a (seed=1)", id="abcdef1"),
    ]
    commit(planned(tmp_path, trials), "000000-a", [row()])
    with pytest.raises(
        StoreError, match=r"any of these; .*\n  a \(seed=1\) \(.* id abcdef0\)\n  a \(seed=1\) \(seed=0\)$"
    ):
        trusted(tmp_path).maps("cat", "a (seed=1)")
    assert (
        trusted(tmp_path).maps("cat", "abcdef0").keys() == trusted(tmp_path).maps("cat", "a (seed=1) (seed=0)").keys()
    )


def test_a_label_that_one_trial_has_is_enough(tmp_path: Path) -> None:
    commit(planned(tmp_path, [trial("sharp/8", label="sharp", finish=STRIDES), trial("other")]), "000000-a", [row()])
    assert (trusted(tmp_path).map("cat", "sharp") == 32016).all()


def test_ids_that_begin_alike_and_names_on_two_models_are_told_apart(tmp_path: Path) -> None:
    twice = [trial("sharp", id="abcdef0"), trial("sharp", id="abcdef1", bench="bench2", model="vgg16")]
    report = trusted(planned(tmp_path, twice).folder.url(""))
    for called in ("sharp", "abcdef"):
        with pytest.raises(
            StoreError, match=r"may be any of these.*\n  sharp \(resnet50, photos, id abcdef0\)\n  .*vgg16"
        ):
            report.maps("cat", called)


def test_a_name_that_is_a_stem_too_means_the_name(tmp_path: Path) -> None:
    raw = {key: torch.arange(2.0).reshape(2, 1, 1, 1).expand(2, 1, *each.shape[2:]) for key, each in MAPS.items()}
    commit(planned(tmp_path, names=("pets/cat", "cat")), "000000-a", [row("pets/cat"), row("cat")], raw)
    assert trusted(tmp_path).maps("cat", "gradcam")["layer4"].unique().tolist() == [1]


@pytest.mark.parametrize(
    ("image", "label", "message"),
    [
        ("dgo.jpg", "gradcam", "no photograph 'dgo.jpg'; did you mean 'dog.jpg'"),
        ("cat.jpg", "gradcam", "'cat.jpg' may be any of these; name one in full:\n  b/cat.jpg\n  a/cat.jpg"),
        ("dog", "gradcm", "no label 'gradcm'; did you mean 'gradcam'"),
        ("broken.jpg", "gradcam", "gradcam has no map of 'broken.jpg'; it failed: cut short"),
        ("broken", "gradcam", "gradcam has no map of 'broken'; it failed: cut short"),
    ],
)
def test_what_is_not_there_is_an_error_with_the_nearest_name(
    folder: Path, image: str, label: str, message: str
) -> None:
    report = trusted(folder)
    for read in (report.map, report.maps, report.overlay):
        with pytest.raises(StoreError) as missing:
            read(image, label)
        assert str(missing.value).startswith(f"{folder}: {message}")


def test_evidence_that_failed_says_why_and_other_failures_are_no_reason(folder: Path) -> None:
    Store.open(folder).write_failures(
        [Failure(BENCH, "b/broken.jpg", "", "e9", "of others"), Failure("bench9", "b/broken.jpg", error="elsewhere"),
         Failure(BENCH, "b/broken.jpg", "", "e1", "Disconnected")]
    )  # fmt: skip
    with pytest.raises(StoreError, match=r"no map of 'broken'; it failed: Disconnected$"):
        trusted(folder).map("broken", "gradcam")


def test_an_overlay_that_was_not_drawn_is_an_error(folder: Path) -> None:
    for image, column in (("dog", 1), ("a/cat.jpg", 0)):
        with pytest.raises(StoreError, match=r"\.png: no such overlay"):
            trusted(folder).overlay(image, "gradcam", column)


def test_a_finish_that_does_not_fuse_has_no_map(folder: Path) -> None:
    report = trusted(folder)
    assert report.maps("dog", "unfused")
    with pytest.raises(StoreError, match=r"unfused has no fused map \(finish.fuse: none\)"):
        report.map("dog", "unfused")


def test_an_interrupted_run_opens(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    report = trusted(folder)
    assert (len(report.images), report.counts, report.manifest, report.stopped) == (3, {}, {}, "")
    assert report.map("dog", "gradcam").shape == (1, 8, 6)


def test_damaged_maps_are_an_error(folder: Path) -> None:
    (folder / "shards" / BENCH / "000000-a.safetensors").write_bytes(b"torn")
    with pytest.raises(StoreError, match=r"000000-a\.safetensors: damaged"):
        trusted(folder).maps("dog", "gradcam")


def test_a_run_is_read_shard_by_shard(folder: Path) -> None:
    store = Store.open(folder)
    commit(store, "000001-b", [row("b/broken.jpg")])
    commit(store, "000002-c", [row("of another plan.jpg")])
    report = trusted(folder)
    shards = list(report)
    assert [len(shard.records) for shard in shards] == [9, 3]
    assert [shard.records for shard in report.shards()] == [shard.records for shard in shards]
    for place, record in enumerate(shards[0].records):
        for layer, each in shards[0].maps(place).items():
            assert torch.equal(each, report.maps(record.name, record.trial)[layer])
    assert torch.equal(shards[0].map(0), report.map(shards[0].records[0].name, "gradcam"))
    with pytest.raises(StoreError, match="no fused map"):
        shards[0].map(2)


def test_sheets_are_in_the_order_of_their_numbers(folder: Path) -> None:
    for number in ("", "-10", "-2", "-of-mine"):
        (folder / f"contact-sheet{number}.png").write_bytes(b"")
    assert trusted(folder).sheets == tuple(folder / f"contact-sheet{number}.png" for number in ("", "-2", "-10"))


def test_a_remote_run_reads_the_same(folder: Path) -> None:
    address = f"memory://{uuid.uuid4().hex}/run"
    save_picture(run(address).folder, "contact-sheet.png", Image.new("RGB", (2, 2)))
    here, there = trusted(folder), trusted(address)
    assert there.folder == address
    assert there.records == here.records
    assert torch.equal(there.map("dog", "gradcam"), here.map("dog", "gradcam"))
    assert there.overlay("dog", "gradcam") == f"{address}/overlays/dog.gradcam.png"
    assert there.sheets == (f"{address}/contact-sheet.png",)


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"expected the folder of a run, got one without plan\.json"):
        trusted(tmp_path)


def test_an_overlay_is_shown(tmp_path: Path) -> None:
    values = config(tmp_path, methods=["gradcam", "layercam"])
    report = xaikit.run(values)
    with Image.open(report.overlay("one.png", "gradcam")) as drawn:
        assert report.show("one.png", "gradcam").tobytes() == drawn.convert("RGB").tobytes()
    with pytest.raises(StoreError, match="no such overlay"):
        report.show("one.png", "gradcam", 3)
