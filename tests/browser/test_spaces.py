"""Series, volumes, videos, detections and known objects: whatever a map lies on, and whatever is known of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import xaikit
from helpers.browsing import Tab
from helpers.page_runs import page_run
from helpers.runs import config
from helpers.written_runs import Shot, stored, written
from xaikit.pictures.places import written_place
from xaikit.pictures.regions import regions
from xaikit.pictures.signal import plot
from xaikit.pictures.volume import below, montage
from xaikit.registry import Registry
from xaikit.report.page.document import document
from xaikit.report.page.payload import payload
from xaikit.report.report import Report
from xaikit.store.pictures import film_name, picture_name, save_picture

FINISH = {"rectify": "relu", "normalize": "max", "scale": "none", "resize": "input", "fuse": "max"}
SCORED = "figure:last-child .scored"
STAGE = "x-detail .stage figure:last-child canvas"


def page_of(*reports: Report) -> Path:
    """The page of one run, or of two."""
    file = Path(reports[0].folder).parent / "page.html"
    file.write_text(document(payload(reports, Registry().lazy())), encoding="utf-8")
    return file


def one(folder: Path, values: torch.Tensor, space: tuple[int, ...], **noted: Any) -> Report:
    """A run of one photograph by one trial, whose raw map is given (T, *S)."""
    trial = stored("gradcam", method="gradcam", space=space, finish=FINISH)
    return written(folder / "run", [trial], [Shot("sample", trial, {"body": values}, noted=noted)])


def test_a_series_has_its_map_as_a_line_and_behind_it(tab: Tab, tmp_path: Path) -> None:
    report = one(tmp_path, torch.tensor([[0.0, 0.0, 0.0, 4.0]]), (64,))
    save_picture(report.index.store.folder, picture_name("p0"), plot(np.zeros((1, 64), np.float32)))
    tab.open(page_of(report), "view=detail")
    assert tab.width(STAGE) == 672
    assert tab.pixel(STAGE, 0.02, 0.3) == pytest.approx((255, 255, 255), abs=2)  # nothing: white
    assert tab.pixel(STAGE, 0.97, 0.3) != pytest.approx((255, 255, 255), abs=20)
    high = tab.pixel(STAGE, 0.99, 0.058)
    assert high == pytest.approx((176, 32, 48), abs=12)  # the line, at its largest value
    assert tab.texts("x-detail figcaption .faint")[-1] == "1 × 4 cells"


@pytest.mark.parametrize("is_film", [False, True])
def test_a_volume_is_seen_slice_by_slice(tab: Tab, tmp_path: Path, is_film: bool) -> None:
    """The map is strong in the last slices; every slice is of a grey of its own."""
    values = torch.zeros(1, 2, 2, 2)
    values[0, 1] = 1.0
    report = one(tmp_path, values, (4, 20, 20))
    slices = [Image.new("RGB", (20, 20), (40 * place,) * 3) for place in range(4)]
    save_picture(report.index.store.folder, picture_name("p0"), montage(slices))
    if is_film:
        save_picture(report.index.store.folder, film_name("p0"), below(slices))
    tab.open(page_of(report), "view=detail&alpha=0&slice=0")
    assert tab.pixel(STAGE)[0] == pytest.approx(0, abs=6)
    tab.choose("Slice or frame", 1)
    assert tab.pixel(STAGE)[0] == pytest.approx(120, abs=6)
    tab.choose("Map opacity", 1)
    strong = tab.pixel(STAGE)
    tab.choose("Slice or frame", 0)
    assert sum(strong) > sum(tab.pixel(STAGE)) + 200
    assert tab.texts("x-detail figcaption .faint")[-1] == "2 × 2 × 2 cells"


def test_detections_are_framed_and_regions_are_outlined(tab: Tab, tmp_path: Path) -> None:
    mask = np.zeros((8, 8), bool)
    mask[2:4, 3:6] = True
    for place, name in (({"corners": (1, 2, 5, 7)}, "box"), ({"mask": mask}, "mask")):
        report = one(tmp_path / name, torch.ones(1, 4, 4), (8, 8), extent=written_place(place, (8, 8)))
        save_picture(report.index.store.folder, picture_name("p0"), Image.new("RGB", (8, 8), "white"))
        tab.open(page_of(report), "view=detail")
        box = tab.run(
            f"const box = document.querySelector('{SCORED}').getBBox(); return [box.x, box.y, box.width, box.height]"
        )
        assert box == ([1, 2, 4, 5] if name == "box" else [3, 2, 3, 2])


def test_a_threshold_says_how_well_its_box_fits_what_is_known(tab: Tab, tmp_path: Path) -> None:
    report = page_run(
        tmp_path / "run", photographs=1, labels=("gradcam",), boxes={0: [{"box": [0, 0, 20, 20], "label": "tabby"}]}
    )
    tab.open(page_of(report), "view=detail&regions=true&threshold=0.5")
    x0, y0, x1, y1 = regions(report.map(report.images[0], "gradcam")[0], 0.5)[0].box
    shared = min(x1, 20) * min(y1, 20)
    expected = shared / ((x1 - x0) * (y1 - y0) + 400 - shared)
    (text,) = tab.texts("x-detail .iou")
    assert float(text.split()[1]) == pytest.approx(expected, abs=0.06)
    assert tab.texts("x-detail .known title") == ["tabby", "tabby"]  # on the photograph and on the map


def test_a_large_map_is_averaged_and_says_so(tab: Tab, tmp_path: Path) -> None:
    report = page_run(tmp_path / "run", photographs=1, labels=("gradcam",), layers=("layer1",), cells=96, side=96)
    tab.open(page_of(report), "view=detail")
    assert tab.texts("x-detail figcaption .faint")[-1] == "96 × 96 cells, averaged to 64 × 64"


def test_two_runs_stand_beside_each_other_with_their_difference(tab: Tab, tmp_path: Path) -> None:
    one, other = (
        page_run(tmp_path / "one", photographs=2),
        page_run(tmp_path / "two", photographs=2, labels=("gradcam",)),
    )
    tab.open(page_of(one, other))
    heads = tab.texts("x-grid .line.header .head b")
    assert heads == ["gradcam (one)", "gradcam (two)", "gradcam (one)", "layercam", "eigencam"]
    assert tab.texts("x-grid .line.header .head:nth-child(4) span") == ["less gradcam (two)"]
    assert len(tab.all("x-grid .line:not(.header)")) == 2
    picture = tab.pixel("x-grid .photo canvas")
    grey = Image.new("RGB", (1, 1), picture).convert("L").getpixel((0, 0))
    expected = (round((grey + 255) / 2),) * 3  # the photograph in pale grey: they do not differ
    assert tab.pixel("x-grid .line:nth-child(2) .cell:nth-child(4) .view") == pytest.approx(expected, abs=1)


def test_the_summary_of_two_runs_says_of_which_run_each_mark_is(tab: Tab, tmp_path: Path) -> None:
    one, other = (
        page_run(tmp_path / folder / "run", photographs=3, labels=("gradcam", "eigencam")) for folder in ("a", "b")
    )
    tab.open(page_of(one, other), "view=summary&x=score&y=seconds")
    tab.wait("document.querySelector('x-summary').dataset.drawn === 'true'")
    names = [f"{label} ({run}/run)" for run in ("a", "b") for label in ("gradcam", "eigencam")]
    assert tab.texts(".part-strips h3") == names
    assert set(", ".join(tab.texts(".part-tradeoff .dot-mark text")).split(", ")) == set(names)
    flat = tab.texts(".part-failures .kind strong")
    assert flat[1] == "1"  # the last photograph, which is dead in both runs
    assert tab.texts(".part-heat thead th")[1:] == ["a/run", "b/run"]
    tab.click(".part-strips .figure")
    assert tab.texts("x-grid .line.header .head b") == names[:1]


@pytest.mark.parametrize(
    ("hash", "view"), [("view=nope", "grid"), ("side=0", "grid"), ("side=-5&alpha=7", "grid"), ("side=&kind=x", "grid")]
)
def test_what_a_link_cannot_say_is_left_out(tab: Tab, tmp_path: Path, hash: str, view: str) -> None:
    tab.open(page_of(page_run(tmp_path / "run", photographs=1)), hash)
    assert not tab.run(f"return document.getElementById('view-{view}').hidden")
    state = tab.run("return document.querySelector('x-grid').shown.state")
    assert 64 <= state["side"] <= 320
    assert 0 <= state["alpha"] <= 1
    assert state["kind"] == "finished"


def test_photographs_and_trials_are_counted_and_not_lines_and_columns(tab: Tab, tmp_path: Path) -> None:
    one, other = (page_run(tmp_path / name, photographs=2, labels=("gradcam",)) for name in ("one", "two"))
    tab.open(page_of(one, other))
    assert tab.texts(".status") == ["2 photographs × 2 methods: 4 maps"]
    tab.press("2")
    assert tab.texts(".status") == ["1 of 2 photographs"]


def test_several_targets_of_a_photograph_are_no_more_photographs(tab: Tab, tmp_path: Path) -> None:
    run = xaikit.run(config(tmp_path, target={"use": "top", "k": 2}))
    tab.open(Path(run.folder) / "report.html")
    assert tab.texts(".status") == ["6 targets of 3 photographs × 2 methods: 12 maps"]
    tab.press("2")
    assert tab.texts(".status") == ["1 of 6 targets of 3 photographs"]


def test_ticks_have_as_many_digits_as_tell_them_apart(tab: Tab, tmp_path: Path) -> None:
    tab.open(page_of(page_run(tmp_path / "run", photographs=2)))
    tab.run("""const store = document.querySelector("x-grid").shown;
      store.page.measures.srg.values = store.page.rows.trial.map((trial) => 0.1121 + 0.0001 * trial);
      store.set({ view: "summary", whole: true }); store.refresh();""")
    tab.wait("document.querySelector('x-summary').dataset.drawn === 'true'")
    texts = tab.texts(".part-tradeoff .ticks-x span")
    assert len(texts) == len({*texts}) > 2


def test_a_run_without_pictures_lies_on_grey(tab: Tab, tmp_path: Path) -> None:
    report = page_run(tmp_path / "run", photographs=1)
    (tmp_path / "run" / "pictures" / "p0.png").unlink()
    tab.open(page_of(report), "alpha=0")
    assert tab.pixel("x-grid .cell .view") == (128, 128, 128)
    loading = tab.run("return document.querySelector('x-grid').shown.photographs.loading.size")
    assert loading == 0  # what stays there is waited for again once its pixels have made room
    assert tab.errors() == []
