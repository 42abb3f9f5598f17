"""Windows of pictures: maps, boxes and masks laid where a model looked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import xaikit
from xaikit import ConfigError, DataError
from xaikit.pictures.window import PictureWindow, ShownInputs, as_picture, stretched

PICTURE = Image.new("RGB", (60, 40), (10, 20, 30))


def test_a_map_covers_its_window_and_nothing_else() -> None:
    drawn = np.asarray(PictureWindow(PICTURE, (20, 10, 40, 30)).overlay(torch.ones(2, 2), alpha=1.0))
    changed = (drawn[:, :60] != (10, 20, 30)).any(-1)
    assert changed[10:30, 20:40].all()
    assert changed.sum() == 20 * 20


def test_a_window_that_reaches_beyond_the_picture_shows_what_the_model_saw() -> None:
    drawn = PictureWindow(PICTURE, (0, -10, 60, 50)).overlay(torch.ones(2, 2), alpha=0.0)
    assert drawn.height == 60
    assert drawn.getpixel((30, 5)) == (0, 0, 0)
    assert drawn.getpixel((30, 30)) == (10, 20, 30)


def test_a_box_is_scaled_moved_and_cut_off() -> None:
    window = PictureWindow(PICTURE, (20, -10, 80, 50))
    assert window.placed((0, 0, 2, 2), (4, 4)) == (20, 0, 50, 20)
    assert window.placed((3, 3, 4, 4), (4, 4)) == (60, 35, 60, 40)


def test_a_mask_is_that_of_the_nearest_place() -> None:
    mask = PictureWindow(PICTURE, (20, 10, 40, 30)).mask(np.array([[True, False], [False, True]]))
    assert mask.shape == (40, 60)
    assert mask[10:20, 20:30].all()
    assert mask[20:30, 30:40].all()
    assert mask.sum() == 200


def test_a_smaller_window_lies_at_the_same_place() -> None:
    window = PictureWindow(PICTURE, (20, 10, 40, 30), "note").shrunk(30)
    assert (window.picture.size, window.box, window.note) == ((30, 20), (10, 5, 20, 15), "note")
    assert window.shrunk(30) is window


def test_inputs_are_stretched_from_black_to_white() -> None:
    pixels = torch.tensor([-1.0, 3.0, float("nan"), 1.0]).reshape(1, 2, 2)
    assert np.asarray(stretched(pixels))[..., 0].tolist() == [[0, 255], [0, 128]]
    assert stretched(torch.zeros(5, 2, 2)).getpixel((0, 0)) == (0, 0, 0)
    shown = ShownInputs(torch.rand(2, 3, 4, 5))
    assert shown.window(1).picture.size == (5, 4)
    with pytest.raises(
        ConfigError, match=r"expected the input of a sample as \(channels, \*S\) with one to three axes S, got \(3,\)"
    ):
        ShownInputs(torch.rand(2, 3)).window(0)


PIXELS = np.random.default_rng(0).integers(0, 255, (6, 8, 3), np.uint8)


@pytest.mark.parametrize(
    "form",
    [
        Image.fromarray(PIXELS),
        PIXELS,
        PIXELS.astype(np.int64),
        PIXELS / 255,
        np.moveaxis(PIXELS, -1, 0),
        torch.from_numpy(PIXELS).permute(2, 0, 1),
        (torch.from_numpy(PIXELS) / 255).requires_grad_(),
    ],
)
def test_a_picture_in_every_form(form: Any) -> None:
    assert (np.asarray(as_picture(form)) == PIXELS).all()


def test_grey_pixels_and_files(tmp_path: Path) -> None:
    assert as_picture(PIXELS[..., 0]).mode == as_picture(torch.rand(1, 4, 4)).mode == "RGB"
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    assert (np.asarray(as_picture(tmp_path / "a.png")) == PIXELS).all()
    (tmp_path / "b.png").write_text("none")
    for file in ("b.png", "c.png"):
        with pytest.raises(DataError, match=f"{file}: cannot be read as a picture"):
            as_picture(str(tmp_path / file))


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (3, "expected one of Pillow, a path, an array or a tensor, got int"),
        (np.zeros((2, 3, 6, 8)), r"of one picture, got shape \(2, 3, 6, 8\)"),
        (np.zeros((6, 8, 5)), r"got shape \(6, 8, 5\)"),
        (torch.randn(3, 6, 8), "normalized already"),
        (np.full((6, 8), 256), "expected whole numbers from 0 to 255"),
        (np.full((6, 8), np.nan), "from nan to nan"),
    ],
)
def test_what_is_no_picture_is_refused(picture: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        as_picture(picture)


def test_overlay_takes_a_picture_and_a_map_of_any_kind() -> None:
    want = xaikit.overlay(PIXELS, np.eye(3), alpha=0.3)
    assert want.height == 6
    for saliency in (torch.eye(3), torch.eye(3).bfloat16(), np.eye(3).tolist()):
        assert xaikit.overlay(Image.fromarray(PIXELS), saliency, alpha=0.3).tobytes() == want.tobytes()
    assert xaikit.overlay(PIXELS, np.eye(3), alpha=0.3, colormap="jet").tobytes() != want.tobytes()
    assert xaikit.overlay(PIXELS, np.eye(3), alpha=np.float32(0.5)).height == 6  # type: ignore[arg-type]
    for options in ({"alpha": 2}, {"alpha": "0.5"}, {"alpha": None}, {"colormap": "jett"}):
        with pytest.raises(ConfigError, match=r"alpha: expected|colormap: expected"):
            xaikit.overlay(PIXELS, np.eye(3), **options)
    with pytest.raises(ConfigError, match=r"expected a map \(H, W\), got shape \(0, 5\)"):
        xaikit.overlay(PIXELS, torch.zeros(0, 5))
    with pytest.raises(ConfigError, match=r"picture: expected whole numbers .* got uint8 from none"):
        xaikit.overlay(PIXELS[:0], np.eye(3))
    with pytest.raises(ConfigError, match=r"two dimensions \(H, W\), got \(1, 3, 3\); map\[0\] is one of a batch"):
        xaikit.overlay(PIXELS, torch.eye(3)[None])
