from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from PIL import Image

from xaikit.record import Record
from xaikit.report import pictures
from xaikit.report.overlay import overlay
from xaikit.report.pictures import overlay_path, write_pictures, write_sheets
from xaikit.store import Store

SEEN = Image.new("RGB", (32, 32), (90, 120, 60))


class Drawn(list[tuple[list[str], list[list[list[str]]], list[list[bool]]]]):
    """What was handed to the sheet: header, the words of every cell, and whether it has a picture."""

    def __call__(self, header: Sequence[str], rows: Sequence[Sequence[pictures.Cell]]) -> Image.Image:
        words = [[[text for text, _ in cell.lines] for cell in row] for row in rows]
        self.append((list(header), words, [[cell.picture is not None for cell in row] for row in rows]))
        return Image.new("RGB", (8, 8))


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Drawn:
    drawn = Drawn()
    monkeypatch.setattr(pictures, "contact_sheet", drawn)
    return drawn


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.claim(tmp_path, "one", {})


def explain(store: Store, stem: str, labels: Sequence[str] = ("gradcam",), columns: int = 1, **more: object) -> None:
    about = {"prediction": 1, "prediction_name": "cat", "probability": 0.97, "target": 1, "target_name": "cat", **more}
    rows = [
        Record("ab", f"photos/{stem}.jpg", stem, label, column=column, **about)  # type: ignore[arg-type]
        for label in labels
        for column in range(columns)
    ]
    write_pictures(store, stem, SEEN, {label: torch.rand(columns, 32, 32) for label in labels})
    store.commit(stem, {}, rows, (32, 32))


def test_a_picture_and_an_overlay_for_every_label_and_target(store: Store) -> None:
    maps = {"gradcam": torch.rand(2, 32, 32), "a/b": torch.rand(1, 8, 8)}
    write_pictures(store, "cat", SEEN, maps)
    assert (store.folder / "pictures" / "cat.png").is_file()
    assert len(list((store.folder / "overlays").iterdir())) == 3
    for label, column in (("gradcam", 0), ("gradcam", 1), ("a/b", 0)):
        with Image.open(overlay_path(store.folder, "cat", label, column)) as found:
            assert found.tobytes() == overlay(SEEN, maps[label][column]).tobytes()


def test_labels_that_keep_the_sign_have_its_scale(store: Store) -> None:
    maps = {"hirescam": torch.rand(1, 32, 32)}
    write_pictures(store, "cat", SEEN, maps, signed={"hirescam"})
    with Image.open(overlay_path(store.folder, "cat", "hirescam", 0)) as found:
        assert found.tobytes() == overlay(SEEN, maps["hirescam"][0], signed=True).tobytes()


def test_hostile_labels_stay_in_the_folder(store: Store) -> None:
    for label in ("../../up", "a/b", "", "con", "x" * 300, "日本"):
        path = overlay_path(store.folder, "cat", label, 0)
        assert path.parent == store.folder / "overlays"
        store.save_picture(path.relative_to(store.folder).as_posix(), SEEN)


def test_the_sheet_is_drawn_from_the_folder_in_the_order_of_the_names(store: Store, drawn: Drawn) -> None:
    for stem in ("a", "b", "gone"):
        explain(store, stem, ["gradcam", "layercam"])
    paths = write_sheets(Store.open(store.folder), ["photos/b.jpg", "photos/a.jpg"])
    assert paths == [store.folder / "contact-sheet.png"]
    caption = ["97% cat"]
    assert drawn == [
        (
            ["photograph", "gradcam", "layercam"],
            [[["b.jpg", *caption], [], []], [["a.jpg", *caption], [], []]],
            [[True, True, True]] * 2,
        )
    ]


@pytest.mark.parametrize(
    ("more", "lines"),
    [
        ({"target": 7, "target_name": "dog"}, ["a.jpg", "97% cat", "explained: dog"]),
        ({"target": None, "target_name": "margin cat - dog"}, ["a.jpg", "97% cat", "explained: margin cat - dog"]),
        ({"prediction": None, "probability": None, "target": None, "target_name": ""}, ["a.jpg"]),
        ({"probability": None}, ["a.jpg", "cat"]),
    ],
)
def test_the_caption_says_what_is_explained_where_it_is_not_the_prediction(
    store: Store, drawn: Drawn, more: dict[str, object], lines: list[str]
) -> None:
    explain(store, "a", **more)
    write_sheets(store, ["photos/a.jpg"])
    assert drawn[0][1] == [[lines, []]]


def test_every_target_has_a_row(store: Store, drawn: Drawn) -> None:
    explain(store, "a", columns=3)
    write_sheets(store, ["photos/a.jpg"])
    assert drawn[0][2] == [[True, True]] * 3


def test_labels_with_targets_of_their_own_say_them_in_their_cells(store: Store, drawn: Drawn) -> None:
    rows = [
        Record("ab", "a.jpg", "a", "one", target=1, target_name="cat", prediction=1, prediction_name="cat"),
        Record("ab", "a.jpg", "a", "two", target=2, target_name="dog", prediction=1, prediction_name="cat"),
    ]
    store.commit("a", {}, rows, (32, 32))
    write_sheets(store, ["a.jpg"])
    assert drawn[0][1] == [[["a.jpg", "cat"], ["no fused map"], ["explained: dog", "no fused map"]]]


def test_dead_maps_and_failures_carry_their_reason(store: Store, drawn: Drawn) -> None:
    explain(store, "a", warnings=("layer4: zero gradients",))
    store.commit("b", {}, [Record("ab", "b.jpg", "b", "gradcam", status="failed", error="Disconnected")], (32, 32))
    store.fail(Record("ab", "photos/c.jpg", "c", status="failed", error="not a picture"))
    write_sheets(store, ["photos/a.jpg", "b.jpg", "photos/c.jpg"])
    header, words, has_picture = drawn[0]
    assert header == ["photograph", "gradcam"]
    assert words == [
        [["a.jpg", "97% cat"], ["layer4: zero gradients"]],
        [["b.jpg"], ["Disconnected"]],
        [["c.jpg", "not a picture"], []],
    ]
    assert has_picture == [[True, True], [False, False], [False, False]]


def test_nothing_but_failures_still_makes_a_sheet(store: Store) -> None:
    store.fail(Record("ab", "c.jpg", "c", status="failed", error="not a picture"))
    assert write_sheets(store, ["c.jpg"]) == [store.folder / "contact-sheet.png"]


def test_many_photographs_make_several_sheets_and_old_ones_go(
    store: Store, drawn: Drawn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "ROWS", 2)
    for stem in "abcde":
        explain(store, stem)
    names = [f"photos/{stem}.jpg" for stem in "abcde"]
    assert [path.name for path in write_sheets(store, names)] == [
        "contact-sheet.png", "contact-sheet-2.png", "contact-sheet-3.png"
    ]  # fmt: skip
    assert [len(rows) for _, rows, _ in drawn] == [2, 2, 1]
    (store.folder / "contact-sheet-of-mine.png").write_bytes(b"mine")
    write_sheets(store, names[:1])
    assert sorted(path.name for path in store.folder.glob("*.png")) == [
        "contact-sheet-of-mine.png",
        "contact-sheet.png",
    ]


def test_no_photographs_make_no_sheet(store: Store) -> None:
    assert write_sheets(store, []) == []
