"""Pictures of one, two, four and many channels, from files to what the model receives and people see."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

import xaikit
from xaikit.bench.bands import bands_of, preview
from xaikit.bench.decode import decode
from xaikit.bench.loader import Loader, Picture, UnreadablePicture
from xaikit.errors import ConfigError
from xaikit.sources import Photograph, Transform

DRAW = np.random.default_rng(0)
SEVEN = DRAW.integers(0, 65536, (7, 40, 48), dtype=np.uint16)


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def tiff(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, array, photometric="minisblack")
    return file.getvalue()


def png(mode: str, size: tuple[int, int] = (48, 40)) -> bytes:
    file = io.BytesIO()
    pixels = DRAW.integers(0, 256, (size[1], size[0], len(Image.new(mode, (1, 1)).getbands())), dtype=np.uint8)
    Image.fromarray(pixels.squeeze(), mode).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    "data", [npy(SEVEN), npy(SEVEN.transpose(1, 2, 0)), tiff(SEVEN)], ids=["first", "last", "tiff"]
)
def test_many_bands_become_numbers_between_0_and_1(data: bytes) -> None:
    bands = decode(data, "field", 7)
    assert isinstance(bands, torch.Tensor)
    torch.testing.assert_close(bands, torch.from_numpy(SEVEN.astype(np.float64) / 65535).float())


def test_grey_and_transparency() -> None:
    grey = decode(png("RGB"), "a.png", 1)
    assert isinstance(grey, Image.Image)
    assert grey.mode == "L"
    four = decode(png("RGBA"), "b.png", 4)
    assert isinstance(four, torch.Tensor)
    assert four.shape == (4, 40, 48)


@pytest.mark.parametrize(
    ("array", "channels", "message"),
    [
        (np.zeros((5, 9, 9), np.uint8), 4, r"expected 4 channels, first or last, got an array of shape \(5, 9, 9\)"),
        (np.zeros((4, 9, 4), np.uint8), 4, "expected 4 channels"),  # either axis may be meant
        (np.zeros((2, 2, 2, 2), np.uint8), 2, "expected 2 channels"),
        (np.full((1, 3, 3), 1.5), 1, r"expected numbers between 0 and 1, got 1\.5 to 1\.5"),
        (np.full((1, 3, 3), np.nan), 1, "expected numbers between 0 and 1, got nan to nan"),
        (np.full((1, 3, 3), -1), 1, "got -1 to -1"),
    ],
)
def test_arrays_that_are_no_picture(array: np.ndarray, channels: int, message: str) -> None:
    unreadable = Loader(Transform(8, 8, (0.5,) * channels, (0.5,) * channels)).read(Photograph("x", lambda: npy(array)))
    assert isinstance(unreadable, UnreadablePicture)
    assert unreadable.error.startswith("x: ")
    with pytest.raises(xaikit.DataError, match=message):
        bands_of(array, channels)


def test_objects_in_an_array_are_not_unpickled() -> None:
    with pytest.raises(xaikit.DataError, match=r"x: cannot be read as bands: ValueError: Object arrays"):
        decode(npy(np.array([print], dtype=object)), "x", 3)


def test_the_frame_of_bands_is_that_of_a_photograph() -> None:
    """Up to the rounding to whole colours, which a picture has between resize and crop."""
    data = png("RGB")
    pixels = np.asarray(Image.open(io.BytesIO(data)))
    transform = Transform((20, 30), (16, 24), (0.5,) * 3, (0.25,) * 3)
    one, other = (Loader(transform).read(Photograph("x", lambda data=data: data)) for data in (data, npy(pixels)))
    assert isinstance(one, Picture)
    assert isinstance(other, Picture)
    torch.testing.assert_close(one.pixels, other.pixels, atol=1.01 / 255 / 0.25, rtol=0)
    assert one.rgb.size == other.rgb.size == (24, 16)


def test_a_preview_shows_the_first_bands() -> None:
    bands = torch.zeros(4, 2, 2)
    bands[0] = 0.1
    assert preview(bands).getpixel((0, 0)) == (255, 0, 0)
    assert preview(bands[:1]).getpixel((0, 0)) == (255, 255, 255)
    assert preview(torch.zeros(2, 2, 2)).getpixel((0, 0)) == (0, 0, 0)


NET = """
from torch import nn
def net(channels):
    return nn.Sequential(nn.Conv2d(channels, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
"""


def config(folder: Path, of_net: int, **transform: object) -> dict[str, object]:
    (folder / "net.py").write_text(NET)
    return {
        "model": {"source": "importpath", "factory": f"{folder}/net.py:net", "kwargs": {"channels": of_net}},
        "data": {"source": "folder", "path": str(folder / "data"), "transform": {"size": 32, "crop": 24, **transform}},
        "layers": ["1"],
        "methods": ["gradcam"],
        "report": {"to": str(folder / "run")},
    }


@pytest.mark.parametrize(
    ("channels", "name", "data"), [(1, "a.png", png("RGB")), (4, "b.png", png("RGBA")), (7, "c.npy", npy(SEVEN))]
)
def test_a_run_of_a_model_of_other_channels(tmp_path: Path, channels: int, name: str, data: bytes) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / name).write_bytes(data)
    numbers = [0.5] * channels
    report = xaikit.run(config(tmp_path, channels, channels=channels, mean=numbers, std=numbers))
    assert [Path(record.name).name for record in report.records] == [name]
    assert len(list((tmp_path / "run" / "overlays").glob("*.png"))) == 1


def test_channels_mean_and_std_must_agree(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.png").write_bytes(png("RGB"))
    with pytest.raises(ConfigError, match=r"data\.transform\.std: expected 1 numbers, one a channel, got 3"):
        xaikit.run(config(tmp_path, 1, mean=[0.5], std=[0.5] * 3))
    with pytest.raises(ConfigError, match=r"data\.transform\.mean: expected 4 numbers, one a channel, got 1"):
        xaikit.run(config(tmp_path, 4, channels=4, mean=[0.5], std=[0.5]))


def test_overlays_over_the_whole_photograph(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.png").write_bytes(png("RGB", (64, 40)))
    stated = config(tmp_path, 3, mean=[0.5] * 3, std=[0.5] * 3)
    stated["report"] = {"to": str(tmp_path / "run"), "on": "original"}
    xaikit.run(stated)
    (drawn,) = (tmp_path / "run" / "overlays").glob("*.png")
    before = drawn.read_bytes()
    with Image.open(drawn) as picture:
        assert picture.height == 32
        assert picture.width > 51  # the photograph of 64 x 40 at a shorter side of 32, and the colour bar
    drawn.unlink()
    for picture_file in (tmp_path / "run" / "pictures").glob("*.png"):
        picture_file.unlink()
    xaikit.run(stated)
    assert drawn.read_bytes() == before
