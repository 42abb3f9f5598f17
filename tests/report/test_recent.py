from pathlib import Path

from PIL import Image

from helpers.run_folders import explain, of_photos
from xaikit.report.overlays import write_overlays
from xaikit.report.recent import RecentOverlays
from xaikit.report.report import Report
from xaikit.store.pictures import open_picture

SMALL = Image.new("RGB", (2, 2))  # 12 bytes


def test_the_first_ones_are_held_that_there_is_room_for() -> None:
    recent = RecentOverlays(room=30)
    for name in "abc":
        recent.add(name, SMALL)
    assert list(recent.pictures) == ["a", "b"]


def test_one_that_is_drawn_anew_takes_the_place_of_the_one_before_or_leaves_none() -> None:
    recent = RecentOverlays(room=12)
    recent.add("a", SMALL)
    recent.add("a", Image.new("RGB", (2, 2), "red"))
    assert recent.pictures["a"]().getpixel((0, 0)) == (255, 0, 0)
    recent.add("a", Image.new("RGB", (3, 3)))
    assert not recent.pictures


def test_what_is_held_is_what_the_file_shows(tmp_path: Path) -> None:
    store, recent = of_photos(tmp_path), RecentOverlays()
    explain(store, "a.jpg", trials=())
    report = Report(tmp_path)
    assert write_overlays(report, report.index.parts, recent=recent) == []
    ((name, picture),) = recent.pictures.items()
    file = open_picture(store.folder, name)
    assert file is not None
    assert picture().tobytes() == file.tobytes()
