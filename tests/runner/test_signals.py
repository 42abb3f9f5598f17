"""Runs of series, volumes and videos from a YAML, to pictures where people look."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import xaikit
from helpers.signals import NETS, series, volume, write_video
from xaikit.pictures.signal import HEIGHT, WIDTH


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "nets.py").write_text(NETS)
    return tmp_path


def config(folder: Path, axes: int, channels: int, data: str, more: str = "") -> Path:
    """Two methods; paths are relative to the config."""
    (folder / "run.yaml").write_text(
        f"model: {{source: importpath, factory: 'nets:conv', kwargs: {{axes: {axes}, channels: {channels}}}, "
        f"classes: [a, b, c]}}\ndata: {data}\nmethods: [gradcam, hirescam]\ntarget: b\nreport: {{to: {folder}/run}}\n{more}"
    )
    return folder / "run.yaml"


def run(folder: Path, axes: int, channels: int, data: str, more: str = "") -> xaikit.Report:
    """Overlays of both methods and a sheet, and no failure."""
    report = xaikit.run(config(folder, axes, channels, data, more))
    assert report.failures == ()
    assert len(report.sheets) == 1
    assert {record.target_name for record in report.records} == {"b"}
    return report


def opened(path: object) -> Image.Image:
    with Image.open(Path(str(path))) as image:
        image.load()
        return image.convert("RGB")


def test_series_are_drawn_as_curves_with_the_map_as_a_line(folder: Path) -> None:
    for place in range(3):
        np.savetxt(folder / f"{place}.csv", series(place).T, delimiter=",")
    report = run(folder, 1, 2, "{source: series, path: '*.csv'}")
    assert report.images == ("0.csv", "1.csv", "2.csv")
    assert report.map("0.csv", "gradcam").shape == (64,)
    plain = np.asarray(opened(folder / "run" / "pictures" / "0.png"))
    drawn = np.asarray(opened(report.overlay("0.csv", "gradcam")))
    assert plain.shape == (HEIGHT, WIDTH, 3)
    assert drawn.shape[0] == HEIGHT
    assert (np.abs(drawn.astype(int) - (176, 32, 48)).sum(2) < 30).any(0)[:WIDTH].mean() > 0.9, "the line is there"


def test_series_of_unequal_length_are_brought_to_one(folder: Path) -> None:
    for place, length in enumerate((60, 64, 70)):
        np.save(folder / f"{place}.npy", series(place, length=length))
    report = run(
        folder,
        1,
        2,
        "{source: series, path: ['0.npy', '1.npy', '2.npy'], transform: {crop: 60, mean: [0, 1], std: [2, 2]}}",
    )
    assert {tuple(report.map(name, "gradcam").shape) for name in report.images} == {(60,)}


@pytest.mark.parametrize("size", [1, 2])
def test_series_of_another_length_than_the_first_are_named_and_cost_no_other(folder: Path, size: int) -> None:
    """A run has maps of one size."""
    for place, length in enumerate((60, 64, 60)):
        np.save(folder / f"{place}.npy", series(place, length=length))
    data = f"{{source: series, path: ['0.npy', '1.npy', '2.npy'], batch_size: {size}}}"
    report = xaikit.run(config(folder, 1, 2, data))
    assert report.images == ("0.npy", "2.npy")
    assert len(report.records) == 4
    assert {failure.name for failure in report.failures} == {"1.npy"}
    assert "1.npy: expected (2, 60), as 0.npy has, got (2, 64); data.transform.size or crop" in report.failures[0].error


def test_volumes_are_drawn_as_slices(folder: Path) -> None:
    np.save(folder / "a.npy", volume())
    report = run(folder, 3, 1, "{source: volumes, path: a.npy}")
    assert report.map("a.npy", "gradcam").shape == (10, 12, 16)
    plain = opened(folder / "run" / "pictures" / "a.png")
    assert plain.size == (4 * 16, 2 * 12), "eight of ten slices, four in a row"
    assert opened(report.overlay("a.npy", "gradcam")).height == plain.height


def test_videos_are_drawn_as_a_strip_and_move(folder: Path) -> None:
    write_video(folder / "a.mp4")
    data = "{source: video, path: a.mp4, frames: 6, transform: {size: 32, crop: 32, mean: [0, 0, 0], std: [1, 1, 1]}}"
    report = run(folder, 3, 3, data)
    assert report.map("a.mp4", "gradcam").shape == (6, 32, 32)
    assert opened(folder / "run" / "pictures" / "a.png").size == (4 * 32, 2 * 32)
    with Image.open(folder / "run" / "overlays" / "a.gradcam.gif") as film:
        assert getattr(film, "n_frames", 1) == 6
        assert film.height == 32
    assert xaikit.verify(folder / "run") == ()
    (folder / "run" / "overlays" / "a.gradcam.png").unlink()
    again = run(folder, 3, 3, data)
    assert Path(str(again.overlay("a.mp4", "gradcam"))).exists(), "drawn again from what is stored"


def test_a_model_that_takes_frames_before_channels(folder: Path) -> None:
    write_video(folder / "a.mp4")
    (folder / "nets.py").write_text(
        NETS
        + "\nclass Turned(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.net = conv(3, 3)\n"
        "    def forward(self, x):\n        return self.net(x.transpose(1, 2))\n\n"
        "def turned(axes, channels):\n    return Turned()\n"
    )
    (folder / "run.yaml").write_text(
        "model: {source: importpath, factory: 'nets:turned', kwargs: {axes: 3, channels: 3}, "
        "input_layout: {use: axes, order: NTCHW}}\n"
        "data: {source: video, path: a.mp4, frames: 6, transform: {size: 32, crop: 32, mean: [0, 0, 0], std: [1, 1, 1]}}\n"
        f"methods: gradcam\nlayers: net.0\nreport: {{to: {folder}/run}}\n"
    )
    report = xaikit.run(folder / "run.yaml")
    assert report.map("a.mp4", "gradcam").shape == (6, 32, 32)
    assert opened(report.overlay("a.mp4", "gradcam")).height == 64


def test_what_the_model_does_not_take_is_one_error(folder: Path) -> None:
    np.save(folder / "a.npy", series(channels=3))
    with pytest.raises(
        xaikit.ModelError, match=r"layer '0\.0' \(Conv1d\), given \(1, 3, 64\): RuntimeError: .* 2 channels"
    ):
        run(folder, 1, 2, "{source: series, path: a.npy}")
