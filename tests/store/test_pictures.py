from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers.run_folders import everything
from xaikit.errors import DamagedFile
from xaikit.store.folder import Disk
from xaikit.store.pictures import (
    FORMATS,
    check_picture,
    encoded,
    is_own_picture,
    open_picture,
    overlay_name,
    remove_picture,
    save_picture,
    shown_image,
)

RED = Image.new("RGB", (4, 3), (200, 10, 20))


def test_a_picture_comes_back_and_bears_its_name(tmp_path: Path) -> None:
    folder = Disk(tmp_path)
    save_picture(folder, "overlays/日本.gradcam.png", RED)
    picture = open_picture(folder, "overlays/日本.gradcam.png")
    assert picture is not None
    assert picture.tobytes() == RED.tobytes()
    assert is_own_picture(folder, "overlays/日本.gradcam.png")


def test_a_picture_that_is_not_there_is_none(tmp_path: Path) -> None:
    assert open_picture(Disk(tmp_path), "pictures/cat.png") is None


def test_only_the_runs_own_pictures_are_removed(tmp_path: Path) -> None:
    folder = Disk(tmp_path)
    save_picture(folder, "contact-sheet.png", RED)
    RED.save(tmp_path / "mine.png")
    (tmp_path / "copy.png").write_bytes((tmp_path / "contact-sheet.png").read_bytes())
    (tmp_path / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n torn")
    for name in ("contact-sheet.png", "mine.png", "copy.png", "torn.png", "absent.png"):
        remove_picture(folder, name)
    assert everything(tmp_path) == ["copy.png", "mine.png", "torn.png"]


def test_a_picture_of_somebody_too_large_to_open_is_not_the_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    RED.save(tmp_path / "huge.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2)
    assert not is_own_picture(Disk(tmp_path), "huge.png")


def test_trials_that_differ_in_case_have_files_of_their_own_on_every_disk() -> None:
    trials = ["gradcam", "GradCAM", "GRADCAM", "straße", "STRASSE", "strasse"]
    assert overlay_name("cat", "gradcam", 0) == "overlays/cat.gradcam.png"
    assert len({overlay_name("cat", trial, 0).casefold() for trial in trials}) == len(trials)


@pytest.mark.parametrize("stored_as", ["jpg", "webp", "pdf"])
def test_other_formats_bear_their_name_and_a_checksum_too(tmp_path: Path, stored_as: str) -> None:
    folder, name = Disk(tmp_path), f"overlays/cat.gradcam.{stored_as}"
    save_picture(folder, name, RED.resize((40, 30)), "digest")
    assert is_own_picture(folder, name)
    assert shown_image(folder, name) == "digest"
    check_picture(folder, name)
    data = folder.read(name)
    again = tmp_path / f"copy.{stored_as}"
    again.write_bytes(data)
    assert not is_own_picture(folder, again.name), "it bears another name"
    for place in (10, len(data) // 2, len(data) - 1):
        again.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(DamagedFile):
            check_picture(folder, again.name)
    if stored_as != "pdf":
        with Image.open(tmp_path / name) as image:
            assert np.abs(np.asarray(image.convert("RGB"), int) - (200, 10, 20)).max() < 8


def test_the_same_picture_is_the_same_file_in_any_format(tmp_path: Path) -> None:
    for stored_as in FORMATS:
        name = f"overlays/a.{stored_as}"
        assert encoded(RED, name) == encoded(RED, name)


def test_pages_of_a_pdf_are_pages(tmp_path: Path) -> None:
    folder = Disk(tmp_path)
    save_picture(folder, "contact-sheet.pdf", RED, further=[RED, RED])
    assert folder.read("contact-sheet.pdf").count(b"/Type /Page\n") == 3
