from pathlib import Path

import pytest
from PIL import Image

from helpers.run_folders import everything
from xaikit.store.folder import Disk
from xaikit.store.pictures import is_own_picture, open_picture, remove_picture, save_picture

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
