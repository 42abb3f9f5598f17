import json
import math
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from xaikit.atomic import UNFINISHED
from xaikit.errors import StoreError
from xaikit.record import Record
from xaikit.store import Store

CONFIG = {"model": {"name": "resnet50"}, "layers": ("layer3", "layer4"), "seed": 0}


def record(stem: str = "cat", label: str = "gradcam", **more: object) -> Record:
    return Record(image=f"digest of {stem}", name=f"photos/{stem}.jpg", stem=stem, label=label, **more)  # type: ignore[arg-type]


def committed(folder: Path, *stems: str) -> Store:
    store = Store.claim(folder, "one", CONFIG)
    for stem in stems:
        store.commit(stem, {("gradcam", "layer4"): torch.randn(1, 7, 7)}, [record(stem)], (224, 224))
    return store


def everything(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


# who may write


def test_a_new_folder_is_made_with_its_owner_written_down(tmp_path: Path) -> None:
    Store.claim(tmp_path / "runs" / "new", "one", CONFIG)
    owner = json.loads((tmp_path / "runs" / "new" / "run.json").read_text())
    assert owner == {"fingerprint": "one", "config": {**CONFIG, "layers": ["layer3", "layer4"]}}


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    assert Store.claim(tmp_path, "one", CONFIG).done() == set()


def test_the_same_run_goes_on(tmp_path: Path) -> None:
    committed(tmp_path, "cat")
    store = Store.claim(tmp_path, "one", {**CONFIG, "name": "renamed"})
    assert store.done() == {"cat"}
    assert store.digests() == {"cat": "digest of cat"}


def test_another_run_is_refused_with_what_differs_and_what_to_do(tmp_path: Path) -> None:
    committed(tmp_path, "cat")
    before = everything(tmp_path)
    with pytest.raises(StoreError) as refused:
        Store.claim(tmp_path, "two", {**CONFIG, "model": {"name": "vgg16"}})
    assert str(refused.value) == (
        f"{tmp_path}: holds another run; it differs in\n"
        "  model.name: 'resnet50' there, 'vgg16' here\n"
        "name another folder in report.to, or use --force to begin this one anew"
    )
    assert everything(tmp_path) == before


def test_another_run_of_the_same_config_says_where_the_difference_must_lie(tmp_path: Path) -> None:
    committed(tmp_path, "cat")
    with pytest.raises(StoreError, match="the configs agree; weights, plugins or versions do not"):
        Store.claim(tmp_path, "two", CONFIG)


def test_a_run_without_any_map_gives_way(tmp_path: Path) -> None:
    Store.claim(tmp_path, "one", CONFIG).fail(record(status="failed", error="unreadable"))
    store = Store.claim(tmp_path, "two", CONFIG)
    assert store.failures() == ()
    assert json.loads((tmp_path / "run.json").read_text())["fingerprint"] == "two"


@pytest.mark.parametrize("fingerprint", ["one", "two"])
def test_again_removes_what_the_run_wrote_and_nothing_else(tmp_path: Path, fingerprint: str) -> None:
    store = committed(tmp_path, "cat", "dog")
    for name in ("overlays/cat.gradcam.png", "overlays/crashed.gradcam.png", "pictures/cat.png", "contact-sheet.png"):
        store.save_picture(name, Image.new("RGB", (4, 4)))
    store.fail(record("bad", status="failed"))
    store.write_manifest({"seed": 0})
    foreign = ["notes.txt", "overlays/figure.png", "overlays/copy.png", "maps/mine.safetensors", "maps/readme.md"]
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "maps" / "readme.md").write_text("mine")
    Image.new("RGB", (4, 4)).save(tmp_path / "overlays" / "figure.png")
    (tmp_path / "overlays" / "copy.png").write_bytes((tmp_path / "overlays" / "cat.gradcam.png").read_bytes())
    save_file({"weight": torch.ones(2)}, tmp_path / "maps" / "mine.safetensors")
    (tmp_path / "maps" / "torn.safetensors").write_bytes(b"torn")
    Store.claim(tmp_path, fingerprint, CONFIG, again=True)
    assert everything(tmp_path) == sorted([*foreign, "run.json"])
    assert json.loads((tmp_path / "run.json").read_text())["fingerprint"] == fingerprint


@pytest.mark.parametrize("again", [False, True])
def test_a_folder_of_somebody_else_is_refused_and_untouched(tmp_path: Path, again: bool) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(StoreError, match=r"one with other files \('thesis.tex'\) and no run.json.*report.to"):
        Store.claim(tmp_path, "one", CONFIG, again=again)
    assert everything(tmp_path) == ["thesis.tex"]


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file")
    with pytest.raises(StoreError, match="expected a folder for the run, got a file"):
        Store.claim(tmp_path / "run", "one", CONFIG)


def test_a_damaged_owner_is_named(tmp_path: Path) -> None:
    committed(tmp_path, "cat")
    for content, said in ((b"{", r"run\.json: damaged \(JSONDecodeError"), (b"[]", r"expected a mapping, got list")):
        (tmp_path / "run.json").write_bytes(content)
        with pytest.raises(StoreError, match=said):
            Store.claim(tmp_path, "one", CONFIG)


def test_only_a_run_opens(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"expected the folder of a run, got one without run\.json"):
        Store.open(tmp_path)
    committed(tmp_path / "run", "cat")
    assert Store.open(str(tmp_path / "run")).done() == {"cat"}


# maps and records


def test_maps_come_back_bit_for_bit_signed_and_with_nan(tmp_path: Path) -> None:
    maps = {
        ("gradcam", "layer4"): torch.tensor([[[-1.5, math.nan], [math.inf, 1e-30]]]),
        ("a/b c%2F", "features+"): torch.randn(3, 2, 5),
        ("volume", "blocks.3"): torch.randn(1, 2, 3, 4),
    }
    store = Store.claim(tmp_path, "one", CONFIG)
    store.commit("cat", maps, [record()], (224, 192))
    found = store.maps("cat")
    assert found.keys() == maps.keys()
    for key, saliency in maps.items():
        torch.testing.assert_close(found[key], saliency, rtol=0, atol=0, equal_nan=True)
    assert store.input_size("cat") == (224, 192)


def test_one_label_is_read_alone_even_where_it_begins_another(tmp_path: Path) -> None:
    store = Store.claim(tmp_path, "one", CONFIG)
    maps = {(label, "layer4"): torch.randn(1, 2, 2) for label in ("grad", "gradcam", "grad/cam")}
    store.commit("cat", maps, [record()], (8, 8))
    assert list(store.maps("cat", "grad")) == [("grad", "layer4")]
    assert list(store.maps("cat", "grad/cam")) == [("grad/cam", "layer4")]


def test_views_shared_memory_other_types_and_gradients_are_stored(tmp_path: Path) -> None:
    batch = torch.arange(8.0).reshape(2, 2, 2).requires_grad_()
    maps = {("a", "x"): batch[:1], ("b", "x"): batch[:1], ("c", "x"): batch.mT[1:], ("d", "x"): batch[1:].double()}
    store = Store.claim(tmp_path, "one", CONFIG)
    store.commit("cat", maps, [record()], (8, 8))
    found = store.maps("cat")
    assert all(saliency.dtype == torch.float32 for saliency in found.values())
    assert all(torch.equal(found[key].double(), maps[key].detach().double()) for key in maps)


def test_records_come_back_by_stem_in_the_order_committed(tmp_path: Path) -> None:
    store = Store.claim(tmp_path, "one", CONFIG)
    for stem in ("b", "a"):
        rows = [record(stem, "z"), record(stem, "y", column=1, score=0.5, strides=(32.0,))]
        store.commit(stem, {}, rows, (8, 8))
    assert [(row.stem, row.label) for row in store.records()] == [("a", "z"), ("a", "y"), ("b", "z"), ("b", "y")]
    assert store.records()[1].strides == (32.0,)


def test_a_picture_committed_twice_has_its_last_maps(tmp_path: Path) -> None:
    store = committed(tmp_path, "cat")
    store.commit("cat", {("gradcam", "x"): torch.full((1, 1, 1), 7.0)}, [record(score=2.0)], (8, 8))
    assert store.maps("cat")["gradcam", "x"].item() == 7
    assert [row.score for row in store.records()] == [2.0]


def test_maps_that_are_not_there_are_an_error_with_the_nearest_stem(tmp_path: Path) -> None:
    store = committed(tmp_path, "espresso")
    with pytest.raises(StoreError, match="no maps of 'expresso'; did you mean 'espresso'"):
        store.maps("expresso")


@pytest.mark.parametrize("content", [b"", b"torn", b"\xff" * 64], ids=["empty", "short", "garbage"])
def test_a_damaged_map_file_is_named_with_the_remedy(tmp_path: Path, content: bytes) -> None:
    store = committed(tmp_path, "cat", "dog")
    (tmp_path / "maps" / "cat.safetensors").write_bytes(content)
    for read in (store.records, lambda: store.maps("cat"), lambda: store.input_size("cat")):
        with pytest.raises(StoreError, match=r"cat\.safetensors: damaged .*; delete it to have the picture computed"):
            read()
    assert store.maps("dog")


def test_a_map_file_cut_short_is_named(tmp_path: Path) -> None:
    store = committed(tmp_path, "cat")
    path = tmp_path / "maps" / "cat.safetensors"
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(StoreError, match=r"cat\.safetensors: damaged"):
        store.maps("cat")


def test_a_foreign_map_file_is_named(tmp_path: Path) -> None:
    store = committed(tmp_path, "cat")
    save_file({"weight": torch.ones(2)}, tmp_path / "maps" / "weights.safetensors")
    with pytest.raises(StoreError, match=r"weights\.safetensors: damaged"):
        store.records()


# failures, the manifest, pictures, and being killed


def test_failures_are_kept_until_the_picture_succeeds(tmp_path: Path) -> None:
    store = committed(tmp_path, "good")
    store.fail(record("cat", "", status="failed", error="first"))
    store.fail(record("dog", "", status="failed", error="other"))
    store.fail(record("cat", "", status="failed", error="second"))
    assert [(row.stem, row.error) for row in store.failures()] == [("dog", "other"), ("cat", "second")]
    assert store.done() == {"good"}, "what failed is tried again"
    store.commit("cat", {}, [record("cat")], (8, 8))
    assert [row.stem for row in store.failures()] == ["dog"]


def test_damaged_failures_are_named(tmp_path: Path) -> None:
    store = committed(tmp_path)
    (tmp_path / "failed.jsonl").write_text("{}\n")
    with pytest.raises(StoreError, match=r"failed\.jsonl: damaged .*delete it"):
        store.failures()


def test_the_manifest_comes_back_and_is_empty_before(tmp_path: Path) -> None:
    store = committed(tmp_path)
    assert store.manifest() == {}
    store.write_manifest({"seed": 0, "counts": {"forwards": 2}})
    assert Store.open(tmp_path).manifest() == {"seed": 0, "counts": {"forwards": 2}}


def test_what_a_killed_run_left_unfinished_is_ignored_and_swept(tmp_path: Path) -> None:
    committed(tmp_path, "cat")
    torn = [
        f"maps/.dog.safetensors.99{UNFINISHED}",
        f".manifest.json.99{UNFINISHED}",
        f"overlays/.dog.png.99{UNFINISHED}",
    ]
    (tmp_path / "overlays").mkdir()
    for name in torn:
        (tmp_path / name).write_bytes(b"half")
    assert Store.open(tmp_path).done() == {"cat"}
    assert set(torn) <= set(everything(tmp_path)), "reading a run that may be going on removes nothing"
    store = Store.claim(tmp_path, "one", CONFIG)
    assert store.done() == {"cat"}
    assert everything(tmp_path) == ["maps/cat.safetensors", "run.json"]


def test_a_folder_in_which_a_run_was_killed_at_its_first_file_is_taken(tmp_path: Path) -> None:
    (tmp_path / f".run.json.99{UNFINISHED}").write_bytes(b"{")
    Store.claim(tmp_path, "one", CONFIG)
    assert everything(tmp_path) == ["run.json"]


def test_a_picture_that_the_run_did_not_write_is_not_removed(tmp_path: Path) -> None:
    store = committed(tmp_path)
    store.save_picture("contact-sheet.png", Image.new("RGB", (2, 2), "red"))
    Image.new("RGB", (2, 2)).save(tmp_path / "contact-sheet-mine.png")
    for name in ("contact-sheet.png", "contact-sheet-mine.png", "absent.png"):
        store.remove_picture(name)
    assert everything(tmp_path) == ["contact-sheet-mine.png", "run.json"]


def test_stems_stay_with_the_pictures_that_are_done(tmp_path: Path) -> None:
    store = committed(tmp_path, "cat")
    found = store.stems(["photos/cat.jpg", "more/cat.jpg", "more/dog.jpg"])
    assert found["photos/cat.jpg"] == "cat"
    assert found["more/cat.jpg"].startswith("cat-")
    assert found["more/dog.jpg"] == "dog"
