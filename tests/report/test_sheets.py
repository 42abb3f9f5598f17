from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from torch import Tensor

from helpers.run_folders import BENCH, FINISH, commit, everything, photographs, planned, row, trial
from xaikit.pictures import sheet
from xaikit.report import draw_missing, is_signed, overlay, overlay_name, picture_name, sheets, write_sheets
from xaikit.report.index import Index
from xaikit.store import Failure, Store, open_picture, save_picture
from xaikit.store.trials import StoredTrial, to_table

SEEN = Image.new("RGB", (6, 8), (90, 120, 60))
SIGNED = {**FINISH, "rectify": "none"}


def finisher(
    stages: Mapping[str, Any], raws: Mapping[str, Tensor], strides: Mapping[str, float], space: tuple[int, ...]
) -> Tensor | None:
    """The coarsest layer at the size of the input, negative where the finish keeps the sign."""
    if stages["fuse"] == {"use": "faulty"}:
        raise ValueError("by somebody else")
    raw = raws["layer4"].abs() * (-1 if stages["rectify"] == "none" else 1)
    return None if stages["fuse"] == "none" else raw.repeat_interleave(4, -2).repeat_interleave(3, -1)


def draw(store: Store) -> None:
    draw_missing(Index(store), finisher)


def explain(store: Store, *names: str, trials: Sequence[str] = ("gradcam",), columns: int = 1, **more: Any) -> None:
    """Rows, pictures and overlays of some photographs."""
    for name in names:
        commit(store, f"{name[0]}-shard", [row(f"photos/{name}", column=at, **more) for at in range(columns)])
        save_picture(store.folder, picture_name(Path(name).stem), SEEN)
        for label in trials:
            for column in range(columns):
                save_picture(store.folder, overlay_name(Path(name).stem, label, column), SEEN)


class Drawn(list[tuple[list[str], list[list[list[str]]], list[list[bool]]]]):
    """What was handed to the sheet: header, the words of every cell, and whether it has a picture."""

    def __call__(self, header: Sequence[str], rows: Sequence[Sequence[sheet.Cell]]) -> Image.Image:
        words = [[[text for text, _ in cell.lines] for cell in row] for row in rows]
        self.append((list(header), words, [[cell.picture is not None for cell in row] for row in rows]))
        return Image.new("RGB", (8, 8))


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Drawn:
    drawn = Drawn()
    monkeypatch.setattr(sheets, "contact_sheet", drawn)
    return drawn


def one(folder: Path, *trials: StoredTrial, names: Sequence[str] = ("a.jpg",)) -> Store:
    return planned(folder, trials, [f"photos/{name}" for name in names])


# overlays


def test_overlays_that_are_missing_are_drawn_of_every_trial_and_target(tmp_path: Path) -> None:
    store = one(tmp_path, trial(), trial("a/b"), trial("signed", finish=SIGNED))
    explain(store, "a.jpg", trials=(), columns=2)
    draw(store)
    assert len(store.folder.names("overlays")) == 6
    raw = store.maps(f"shards/{BENCH}/a-shard.safetensors", ["q1/layer4"])["q1/layer4"]
    for column in (0, 1):
        fused = finisher(FINISH, {"layer4": raw}, {}, ())
        assert fused is not None
        for name, expected in (("a/b", overlay(SEEN, fused[0, column])), ("signed", overlay(SEEN, -fused[0, column]))):
            found = open_picture(store.folder, overlay_name("a", name, column))
            assert found is not None
            assert found.tobytes() == expected.tobytes()


def test_overlays_that_are_there_stay_as_they_are(tmp_path: Path) -> None:
    store = one(tmp_path, trial(), trial("new", finish=SIGNED))
    explain(store, "a.jpg")
    before = store.folder.read("overlays/a.gradcam.png")
    draw(store)
    assert store.folder.read("overlays/a.gradcam.png") == before
    assert store.folder.names("overlays") == ["overlays/a.gradcam.png", "overlays/a.new.png"]


def test_what_cannot_be_drawn_is_left_out(tmp_path: Path) -> None:
    faulty = {**FINISH, "fuse": {"use": "faulty"}}
    store = one(
        tmp_path, trial(), trial("unfused", finish={**FINISH, "fuse": "none"}), trial("faulty", finish=faulty),
        trial("volume", space=(8, 6, 4)), names=("a.jpg", "b.jpg"),
    )  # fmt: skip
    explain(store, "a.jpg", "b.jpg", trials=())
    store.folder.remove("pictures/b.png")
    draw(store)
    assert store.folder.names("overlays") == ["overlays/a.gradcam.png"]


@pytest.mark.parametrize(
    ("rectify", "normalize", "signed"),
    [("none", "max", True), ("none", "minmax", False), ("relu", "max", False), ("none", {"use": "x"}, True)],
)
def test_maps_that_may_be_negative_have_one_colour_table(rectify: str, normalize: object, signed: bool) -> None:
    assert is_signed({**FINISH, "rectify": rectify, "normalize": normalize}) is signed


def test_hostile_names_stay_in_the_folder(tmp_path: Path) -> None:
    store = planned(tmp_path)
    for name in ("../../up", "a/b", "", "con", "x" * 300, "日本"):
        assert overlay_name("cat", name, 0).rpartition("/")[0] == "overlays"
        save_picture(store.folder, overlay_name("cat", name, 1), SEEN)
    assert len(list((tmp_path / "overlays").iterdir())) == 6


# sheets


def test_the_sheet_is_drawn_from_the_folder_in_the_order_of_the_plan(tmp_path: Path, drawn: Drawn) -> None:
    store = one(tmp_path, trial(), trial("layercam"), names=("b.jpg", "a.jpg", "not yet.jpg"))
    explain(store, "a.jpg", "b.jpg", "gone.jpg", trials=("gradcam", "layercam"))
    assert write_sheets(Index(Store.open(tmp_path))) == ["contact-sheet.png"]
    words = [[[name, "97% tabby"], [], []] for name in ("b.jpg", "a.jpg")]
    assert drawn == [(["photograph", "gradcam", "layercam"], words, [[True, True, True]] * 2)]


@pytest.mark.parametrize(
    ("more", "lines"),
    [
        ({"target": 7, "target_name": "dog"}, ["a.jpg", "97% tabby", "explained: dog"]),
        ({"target": None, "target_name": "margin cat - dog"}, ["a.jpg", "97% tabby", "explained: margin cat - dog"]),
        ({"prediction": None, "probability": None, "target": None, "target_name": ""}, ["a.jpg"]),
        ({"probability": None}, ["a.jpg", "tabby"]),
    ],
)
def test_the_caption_says_what_is_explained_where_it_is_not_the_prediction(
    tmp_path: Path, drawn: Drawn, more: dict[str, object], lines: list[str]
) -> None:
    store = one(tmp_path)
    explain(store, "a.jpg", **more)
    write_sheets(Index(store))
    assert drawn[0][1] == [[lines, []]]


def test_every_target_has_a_row(tmp_path: Path, drawn: Drawn) -> None:
    store = one(tmp_path)
    explain(store, "a.jpg", columns=3)
    write_sheets(Index(store))
    assert drawn[0][2] == [[True, True]] * 3


def test_trials_with_targets_of_their_own_say_them_in_their_cells(tmp_path: Path, drawn: Drawn) -> None:
    store = one(tmp_path, trial("one"), trial("two", evidence="e2"))
    other = row("photos/a.jpg", evidence="e2", target=2, target_name="dog")
    commit(store, "000000-a", [row("photos/a.jpg"), other])
    write_sheets(Index(store))
    assert drawn[0][1] == [[["a.jpg", "97% tabby"], ["no fused map"], ["explained: dog", "no fused map"]]]


def test_dead_maps_and_failures_carry_their_reason(tmp_path: Path, drawn: Drawn) -> None:
    store = one(tmp_path, trial(), trial("twin"), trial("other", evidence="e2"), names=("a.jpg", "b.jpg", "c.jpg"))
    explain(store, "a.jpg", trials=("gradcam", "twin", "other"), warnings=["layer4: zero gradients"])
    of_b, of_c = Failure(BENCH, "photos/b.jpg", error="Disconnected", evidence="e1"), Failure(BENCH, "photos/c.jpg")
    beside = Failure(BENCH, "photos/a.jpg", error="of another plan", evidence="e9")
    unknown = Failure(BENCH, "photos/unknown.jpg", error="of another plan")
    store.write_failures([of_b, Failure(of_c.bench, of_c.name, error="not a picture"), beside, unknown])
    write_sheets(Index(store))
    dead = ["layer4: zero gradients"]
    assert drawn[0][1] == [
        [["a.jpg", "97% tabby"], dead, dead, []],
        [["b.jpg"], ["Disconnected"], ["Disconnected"], []],
        [["c.jpg", "not a picture"], [], [], []],
    ]


def test_nothing_but_failures_still_makes_a_sheet(tmp_path: Path) -> None:
    store = one(tmp_path)
    store.write_failures([Failure(BENCH, "photos/a.jpg", error="not a picture")])
    assert write_sheets(Index(store)) == ["contact-sheet.png"]
    assert open_picture(store.folder, "contact-sheet.png") is not None


def test_many_photographs_make_several_sheets_and_old_ones_go(
    tmp_path: Path, drawn: Drawn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sheets, "ROWS", 2)
    names = [f"{stem}.jpg" for stem in "abcde"]
    store = one(tmp_path, names=names)
    explain(store, *names)
    names_of_sheets = ["contact-sheet.png", "contact-sheet-2.png", "contact-sheet-3.png"]
    assert write_sheets(Index(store)) == names_of_sheets
    assert [len(rows) for _, rows, _ in drawn] == [2, 2, 1]
    for mine in ("contact-sheet-of-mine.png", "contact-sheet-4.png"):
        (tmp_path / mine).write_bytes(b"mine")
    store.write_plan({}, to_table([trial()]), photographs(["photos/a.jpg"]))
    assert write_sheets(Index(store)) == names_of_sheets[:1]
    left = [name for name in everything(tmp_path) if name.startswith("contact-sheet")]
    assert left == ["contact-sheet-4.png", "contact-sheet-of-mine.png", "contact-sheet.png"]


def test_a_sheet_shows_the_first_photographs_and_trials_of_many(
    tmp_path: Path, drawn: Drawn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sheets, "MOST_ROWS", 2)
    monkeypatch.setattr(sheets, "MOST_TRIALS", 1)
    store = one(tmp_path, trial(), trial("second"), names=("a.jpg", "b.jpg", "c.jpg"))
    explain(store, "a.jpg", "b.jpg", "c.jpg")
    write_sheets(Index(store))
    header, words, _ = drawn[0]
    assert header == ["photograph", "gradcam"]
    assert [cells[0][0] for cells in words] == ["a.jpg", "b.jpg"]


def test_no_photographs_make_no_sheet(tmp_path: Path) -> None:
    assert write_sheets(Index(one(tmp_path))) == []


def test_nothing_is_drawn_twice_by_chance(tmp_path: Path) -> None:
    written = []
    for name in ("one", "two"):
        store = one(tmp_path / name)
        explain(store, "a.jpg", trials=())
        draw(store)
        write_sheets(Index(store))
        written.append({file: store.folder.read(file) for file in everything(tmp_path / name)})
    assert written[0] == written[1]
