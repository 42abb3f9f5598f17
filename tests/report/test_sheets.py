from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from helpers.run_folders import BENCH, FINISH, PICTURE, commit, everything, explain, of_photos, photographs, row, trial
from xaikit.pictures import sheet
from xaikit.report import sheets
from xaikit.report.overlays import write_missing_overlays
from xaikit.report.report import Report
from xaikit.report.sheets import header, pages_of, write_sheets
from xaikit.schema.sections import ReportConfig
from xaikit.store.pictures import PictureFormat, save_picture
from xaikit.store.rows import Failure
from xaikit.store.trials import to_table


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


def test_the_sheet_is_drawn_from_the_folder_in_the_order_of_the_plan(tmp_path: Path, drawn: Drawn) -> None:
    store = of_photos(tmp_path, trial(), trial("layercam"), names=("b.jpg", "a.jpg", "not yet.jpg"))
    explain(store, "a.jpg", "b.jpg", "gone.jpg", trials=("gradcam", "layercam"))
    assert write_sheets(Report(tmp_path)) == ["contact-sheet.jpg"]
    words = [[[name, "97% tabby"], [], []] for name in ("b.jpg", "a.jpg")]
    assert drawn == [
        (["photograph", "gradcam, layer3 + layer4", "layercam, layer3 + layer4"], words, [[True, True, True]] * 2)
    ]


@pytest.mark.parametrize(
    ("more", "lines"),
    [
        ({"target": 7, "target_name": "dog"}, ["a.jpg", "97% tabby", "explained: dog"]),
        ({"target": None, "target_name": "margin cat - dog"}, ["a.jpg", "97% tabby", "explained: margin cat - dog"]),
        ({"prediction": None, "probability": None, "target": None, "target_name": ""}, ["a.jpg", "score 0.5"]),
        ({"probability": None}, ["a.jpg", "tabby"]),
    ],
)
def test_the_caption_says_what_is_explained_where_it_is_not_the_prediction(
    tmp_path: Path, drawn: Drawn, more: dict[str, object], lines: list[str]
) -> None:
    store = of_photos(tmp_path)
    explain(store, "a.jpg", **more)
    write_sheets(Report(tmp_path))
    assert drawn[0][1] == [[lines, []]]


def test_every_target_has_a_row(tmp_path: Path, drawn: Drawn) -> None:
    store = of_photos(tmp_path)
    explain(store, "a.jpg", columns=3)
    write_sheets(Report(tmp_path))
    assert drawn[0][2] == [[True, True]] * 3


def test_trials_with_targets_of_their_own_say_them_in_their_cells(tmp_path: Path, drawn: Drawn) -> None:
    store = of_photos(tmp_path, trial("one"), trial("two", evidence="e2"))
    other = row("photos/a.jpg", evidence="e2", target=2, target_name="dog")
    commit(store, "000000-a", [row("photos/a.jpg"), other])
    write_sheets(Report(tmp_path))
    assert drawn[0][1] == [[["a.jpg", "97% tabby"], ["no fused map"], ["explained: dog", "no fused map"]]]


def test_dead_maps_and_failures_carry_their_reason(tmp_path: Path, drawn: Drawn) -> None:
    store = of_photos(
        tmp_path, trial(), trial("twin"), trial("other", evidence="e2"), names=("a.jpg", "b.jpg", "c.jpg")
    )
    explain(store, "a.jpg", trials=("gradcam", "twin", "other"), warnings=["layer4: zero gradients"])
    of_b, of_c = Failure(BENCH, "photos/b.jpg", error="Disconnected", evidence="e1"), Failure(BENCH, "photos/c.jpg")
    beside = Failure(BENCH, "photos/a.jpg", error="of another plan", evidence="e9")
    unknown = Failure(BENCH, "photos/unknown.jpg", error="of another plan")
    store.write_failures([of_b, Failure(of_c.bench, of_c.name, error="not a picture"), beside, unknown])
    write_sheets(Report(tmp_path))
    dead = ["layer4: zero gradients"]
    assert drawn[0][1] == [
        [["a.jpg", "97% tabby"], dead, dead, []],
        [["b.jpg"], ["Disconnected"], ["Disconnected"], []],
        [["c.jpg", "not a picture"], [], [], []],
    ]


def test_a_map_that_could_not_be_finished_says_why(tmp_path: Path, drawn: Drawn) -> None:
    faulty = trial("faulty", finish={**FINISH, "fuse": "helpers.finishers:Faulty"})
    store = of_photos(tmp_path, trial("fine"), faulty)
    explain(store, "a.jpg")
    store.write_failures([Failure(BENCH, "photos/a.jpg", evidence="e1", error="faulty: by somebody else")])
    write_sheets(Report(tmp_path, trust=True))
    assert drawn[0][1:] == ([[["a.jpg", "97% tabby"], [], ["faulty: by somebody else"]]], [[True, True, False]])


@pytest.mark.parametrize("stored_as", ["png", "pdf"])
def test_a_sheet_shows_the_files_of_overlays_and_draws_what_has_none_to_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stored_as: PictureFormat
) -> None:
    store = of_photos(tmp_path, trial(), trial("new"))
    explain(store, "a.jpg", trials=("new",))
    save_picture(store.folder, f"overlays/a.gradcam.{stored_as}", PICTURE)
    pages: list[Sequence[Sequence[sheet.Cell]]] = []
    monkeypatch.setattr(sheets, "contact_sheet", lambda _, rows: pages.append(rows) or PICTURE)
    write_sheets(Report(tmp_path), ReportConfig(format=stored_as))
    (((_, ours, _),),) = pages
    assert ours.picture is not None
    assert (ours.picture.tobytes() == PICTURE.tobytes()) == (stored_as == "png")


def test_nothing_but_failures_still_makes_a_sheet(tmp_path: Path) -> None:
    store = of_photos(tmp_path)
    store.write_failures([Failure(BENCH, "photos/a.jpg", error="not a picture")])
    assert write_sheets(Report(tmp_path)) == ["contact-sheet.jpg"]
    with Image.open(tmp_path / "contact-sheet.jpg") as sheet:
        assert sheet.mode == "RGB"


def test_many_photographs_make_several_sheets_and_old_ones_go(tmp_path: Path, drawn: Drawn) -> None:
    names = [f"{stem}.jpg" for stem in "abcde"]
    store = of_photos(tmp_path, names=names)
    explain(store, *names)
    names_of_sheets = ["contact-sheet.jpg", "contact-sheet-2.jpg", "contact-sheet-3.jpg"]
    assert write_sheets(Report(tmp_path), ReportConfig(rows=2)) == names_of_sheets
    assert sorted(len(rows) for _, rows, _ in drawn) == [1, 2, 2]
    for mine in ("contact-sheet-of-mine.jpg", "contact-sheet-4.jpg"):
        (tmp_path / mine).write_bytes(b"mine")
    store.write_plan({}, to_table([trial()]), photographs(["photos/a.jpg"]))
    assert write_sheets(Report(tmp_path)) == names_of_sheets[:1]
    left = [name for name in everything(tmp_path) if name.startswith("contact-sheet")]
    assert left == ["contact-sheet-4.jpg", "contact-sheet-of-mine.jpg", "contact-sheet.jpg"]


def test_a_sheet_shows_the_first_photographs_and_trials_of_many(
    tmp_path: Path, drawn: Drawn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sheets, "MOST_ROWS", 2)
    monkeypatch.setattr(sheets, "MOST_TRIALS", 1)
    store = of_photos(tmp_path, trial(), trial("second"), names=("a.jpg", "b.jpg", "c.jpg"))
    explain(store, "a.jpg", "b.jpg", "c.jpg")
    write_sheets(Report(tmp_path))
    header, words, _ = drawn[0]
    assert header == ["photograph", "gradcam, layer3 + layer4"]
    assert [cells[0][0] for cells in words] == ["a.jpg", "b.jpg"]


def test_a_page_has_so_many_columns_and_the_photograph_is_on_each(tmp_path: Path, drawn: Drawn) -> None:
    store = of_photos(tmp_path, *map(trial, "abcde"), names=("a.jpg", "b.jpg"))
    explain(store, "a.jpg", "b.jpg", trials=())
    style = ReportConfig(rows=1, columns=3)
    assert len(write_sheets(Report(tmp_path), style)) == pages_of(2, 5, style) == 6
    labels = [[text.partition(",")[0] for text in header] for header, _, _ in drawn]
    assert sorted(labels) == sorted([["photograph", "a", "b"], ["photograph", "c", "d"], ["photograph", "e"]] * 2)
    assert all(all(row) for _, _, pictures in drawn for row in pictures)


@pytest.mark.parametrize("stored_as", ["jpg", "webp", "pdf"])
def test_sheets_of_another_format_take_the_place_of_those_before(tmp_path: Path, stored_as: PictureFormat) -> None:
    store = of_photos(tmp_path, trial(), names=("a.jpg", "b.jpg"))
    explain(store, "a.jpg", "b.jpg", trials=())
    save_picture(store.folder, "contact-sheet.png", PICTURE)
    write_sheets(Report(tmp_path))
    names = write_sheets(Report(tmp_path), ReportConfig(rows=1, format=stored_as))
    assert names == [f"contact-sheet{number}.{stored_as}" for number in (("", "-2") if stored_as != "pdf" else ("",))]
    assert sorted(name for name in everything(tmp_path) if name.startswith("contact")) == sorted(names)
    assert [Path(sheet).name for sheet in Report(tmp_path).sheets] == names


@pytest.mark.parametrize(
    ("name", "more", "text"),
    [
        ("layercam", {"layers": ("blocks.2", "bn2")}, "layercam, blocks.2 + bn2"),
        ("all", {"layers": tuple(f"blocks.{n}" for n in range(12))}, "all, blocks.0 to blocks.11 (12 layers)"),
        ("a (layers=[x])", {"label": "a", "layers": ("x",), "where": {"layers": ["x"], "seed": 1}}, "a, x"),
        ("a (seed=1)", {"label": "a", "layers": ("x",), "where": {"seed": 1, "model.name": "net"}}, "a, x, seed 1"),
        (
            "a (finish.scale.gamma=2) #2",
            {"label": "a", "layers": ("x",), "where": {"methods.a.finish.scale.gamma": 2}},
            "a, x, gamma 2, #2",
        ),
    ],
)
def test_a_header_is_what_a_person_calls_a_trial(name: str, more: dict[str, Any], text: str) -> None:
    assert header(trial(name, **more)) == text


def test_no_photographs_make_no_sheet(tmp_path: Path) -> None:
    assert write_sheets(Report(str(of_photos(tmp_path).folder))) == []


def test_nothing_is_drawn_twice_by_chance(tmp_path: Path) -> None:
    written = []
    for name in ("one", "two"):
        store = of_photos(tmp_path / name)
        explain(store, "a.jpg", trials=())
        write_missing_overlays(Report(tmp_path / name))
        write_sheets(Report(tmp_path / name))
        drawn = [file for file in everything(tmp_path / name) if file.endswith((".png", ".jpg"))]
        written.append({file: store.folder.read(file) for file in drawn})
    assert written[0] == written[1]
