from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from xaikit.errors import StoreError
from xaikit.record import Record
from xaikit.report import Report, write_pictures
from xaikit.store import Store

MAPS = {("gradcam", "layer3"): torch.randn(1, 4, 4), ("gradcam", "layer4"): torch.randn(1, 2, 2)}
FINISH = {"rectify": "relu", "scale": {"use": "tanh", "gamma": 2.0}}


def finisher(
    stages: Mapping[str, Any], raws: Mapping[str, Tensor], strides: Mapping[str, float], space: tuple[int, ...]
) -> Tensor | None:
    """Says in a map what it was given."""
    assert stages == FINISH
    assert {layer: tuple(raw.shape) for layer, raw in raws.items()} == {"layer3": (1, 1, 4, 4), "layer4": (1, 1, 2, 2)}
    return torch.full((1, 1, *space), strides["layer3"] + 1000 * strides["layer4"])


def record(name: str, stem: str, **more: Any) -> Record:
    about: dict[str, Any] = {"label": "gradcam", "layers": ("layer3", "layer4"), "strides": (16.0, 32.0), **more}
    return Record("ab", name, stem, **about)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    store = Store.claim(tmp_path, "one", {})
    for name, stem in (("a/cat.jpg", "cat-1"), ("b/cat.jpg", "cat-2"), ("b/dog.jpg", "dog")):
        store.commit(stem, MAPS, [record(name, stem, warnings=("layer4: zero map",) * (stem == "dog"))], (8, 6))
    write_pictures(store, "dog", Image.new("RGB", (6, 8)), {"gradcam": torch.rand(1, 8, 6)})
    store.fail(Record("cd", "b/broken.jpg", "broken", status="failed", error="cut short"))
    store.write_manifest({"trials": {"gradcam": {"finish": FINISH}}, "counts": {"forwards": 2}})
    return tmp_path


def test_a_report_says_what_is_there(folder: Path) -> None:
    report = Report(folder, finisher)
    assert report.images == ("a/cat.jpg", "b/cat.jpg", "b/dog.jpg")
    assert report.labels == ("gradcam",)
    assert [failure.name for failure in report.failures] == ["b/broken.jpg"]
    assert report.warnings == ("b/dog.jpg, gradcam: layer4: zero map",)
    assert report.counts == {"forwards": 2}
    assert repr(report) == f"Report('{folder}': 3 photographs by gradcam, 1 failed)"


def test_photographs_come_in_the_order_of_the_manifest(folder: Path) -> None:
    Store.open(folder).write_manifest({"photographs": ["b/dog.jpg", "b/cat.jpg", "a/cat.jpg", "unread.jpg"]})
    assert Report(folder, finisher).images == ("b/dog.jpg", "b/cat.jpg", "a/cat.jpg")


@pytest.mark.parametrize("image", ["b/dog.jpg", "dog.jpg", "dog"])
def test_a_photograph_is_called_by_its_name_its_file_or_its_stem(folder: Path, image: str) -> None:
    report = Report(folder, finisher)
    for layer, found in report.maps(image, "gradcam").items():
        assert torch.equal(found, MAPS["gradcam", layer])
    assert list(report.maps(image, "gradcam")) == ["layer3", "layer4"]
    assert report.overlay(image, "gradcam") == folder / "overlays" / "dog.gradcam.png"


def test_a_map_is_finished_as_the_run_did(folder: Path) -> None:
    found = Report(folder, finisher).map("dog", "gradcam")
    assert found.shape == (1, 8, 6)
    assert (found == 32016).all()


def test_a_name_that_is_a_stem_too_means_the_name(tmp_path: Path) -> None:
    store = Store.claim(tmp_path, "one", {})
    store.commit("cat", {("gradcam", "x"): torch.zeros(1, 1, 1)}, [record("pets/cat", "cat", layers=("x",))], (8, 8))
    store.commit("cat-9", {("gradcam", "x"): torch.ones(1, 1, 1)}, [record("cat", "cat-9", layers=("x",))], (8, 8))
    assert Report(tmp_path, finisher).maps("cat", "gradcam")["x"].item() == 1


@pytest.mark.parametrize(
    ("image", "label", "said"),
    [
        ("dgo.jpg", "gradcam", "no photograph 'dgo.jpg'; did you mean 'dog.jpg'"),
        ("cat.jpg", "gradcam", "'cat.jpg' may be any of a/cat.jpg, b/cat.jpg; name one in full"),
        ("dog", "gradcm", "no label 'gradcm'; did you mean 'gradcam'"),
        ("broken.jpg", "gradcam", "no photograph 'broken.jpg'; it failed: cut short"),
    ],
)
def test_what_is_not_there_is_an_error_with_the_nearest_name(folder: Path, image: str, label: str, said: str) -> None:
    report = Report(folder, finisher)
    for read in (report.map, report.maps, report.overlay):
        with pytest.raises(StoreError) as missing:
            read(image, label)
        assert str(missing.value).startswith(f"{folder}: {said}")


def test_an_overlay_that_was_not_drawn_is_an_error(folder: Path) -> None:
    for image, column in (("dog", 1), ("a/cat.jpg", 0)):
        with pytest.raises(StoreError, match=r"\.png: no such overlay"):
            Report(folder, finisher).overlay(image, "gradcam", column)


def test_a_label_that_failed_on_one_photograph_is_a_failure_with_its_reason(folder: Path) -> None:
    failed = record("b/dog.jpg", "dog", status="failed", error="Disconnected")
    Store.open(folder).commit("dog", {}, [failed, record("b/dog.jpg", "dog", label="other")], (8, 6))
    report = Report(folder, finisher)
    assert [failure.error for failure in report.failures] == ["cut short", "Disconnected"]
    with pytest.raises(StoreError, match="gradcam has no map of 'dog'; it failed: Disconnected"):
        report.map("dog", "gradcam")


def test_a_finish_that_does_not_fuse_has_no_map(folder: Path) -> None:
    with pytest.raises(StoreError, match=r"gradcam has no fused map \(finish.fuse: none\)"):
        Report(folder, lambda *_: None).map("dog", "gradcam")


def test_an_interrupted_run_opens_and_says_why_it_cannot_finish_maps(folder: Path) -> None:
    (folder / "manifest.json").unlink()
    report = Report(folder, finisher)
    assert (len(report.images), report.counts, report.manifest) == (3, {}, {})
    assert report.maps("dog", "gradcam")
    with pytest.raises(StoreError, match="was interrupted and has no manifest yet"):
        report.map("dog", "gradcam")


def test_sheets_are_in_the_order_of_their_numbers(folder: Path) -> None:
    for number in ("", "-10", "-2"):
        (folder / f"contact-sheet{number}.png").write_bytes(b"")
    assert [path.stem for path in Report(folder, finisher).sheets] == [
        "contact-sheet", "contact-sheet-2", "contact-sheet-10"
    ]  # fmt: skip


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"expected the folder of a run, got one without run\.json"):
        Report(tmp_path, finisher)
