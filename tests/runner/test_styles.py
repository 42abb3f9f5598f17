"""What a user sees of a run: styles, regions, numbers, and pictures that nobody asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import xaikit
from helpers.runs import config
from xaikit.pictures.marks import LINE, PAPER
from xaikit.runner import prepare

MODELS = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 3, 1)
        generator = torch.Generator().manual_seed(0)
        for value in self.parameters():
            value.data = torch.randn(value.shape, generator=generator) * 0.4

class Detector(Net):
    def forward(self, x):
        scores = self.head(self.conv(x).relu()).mean((2, 3)).sigmoid()
        boxes = torch.tensor([[4.0, 6.0, 20.0, 28.0], [0.0, 0.0, 3.0, 3.0]])
        return [{"boxes": boxes, "labels": torch.tensor([1, 2]), "scores": one[:2] * torch.tensor([1.0, 0.1])} for one in scores]

class Segmenter(Net):
    def forward(self, x):
        left = torch.arange(x.shape[3]) < x.shape[3] // 2
        sides = torch.stack([left, ~left, left & ~left]).float()[:, None] * 9
        return self.head(self.conv(x).relu().mean((2, 3), keepdim=True)) * 0.01 + sides.expand(3, *x.shape[2:])

class Regression(Net):
    def forward(self, x):
        return self.head(self.conv(x).relu()).mean((2, 3))[:, :1]
"""


def run(folder: Path, name: str = "", **changes: Any) -> xaikit.Report:
    values = config(folder, methods=["gradcam"])
    values["report"] |= changes.pop("report", {})
    if name:
        (folder / "nets.py").write_text(MODELS)
        values["model"] = {"source": "importpath", "factory": f"{folder}/nets.py:{name}"}
        values["layers"] = ["conv"]
    return xaikit.run(values | changes)


def shown(report: xaikit.Report, image: str = "one.png") -> np.ndarray:
    with Image.open(report.overlay(image, "gradcam")) as picture:
        return np.array(picture.convert("RGB"))


def test_a_detection_is_framed_and_named_by_its_class_and_score(tmp_path: Path) -> None:
    model = {"source": "importpath", "factory": f"{tmp_path}/nets.py:Detector", "classes": ["nothing", "cat", "dog"]}
    (tmp_path / "nets.py").write_text(MODELS)
    report = run(tmp_path, model=model, layers=["conv"], target="box")
    assert {(record.target, record.target_name) for record in report.records} == {(1, "cat")}
    assert {tuple(shown(report)[y, x]) for x, y in ((20, 28), (4, 28))} == {LINE}


def test_the_mask_of_a_region_is_outlined(tmp_path: Path) -> None:
    report = run(tmp_path, "Segmenter", target={"use": "region", "of": 1})
    pixels = shown(report)
    assert (pixels[20:30, 16] == LINE).all(), "its left border"
    assert not (pixels[20:30, 8] == LINE).all()


def test_the_number_of_a_regression_stands_on_its_picture_and_its_sheet(tmp_path: Path) -> None:
    report = run(tmp_path, "Regression", target="raw")
    assert report.records[0].prediction is None
    assert (shown(report)[:12, :16] == PAPER).all(-1).any()


@pytest.mark.parametrize("stored_as", ["jpg", "webp", "pdf"])
def test_another_style_draws_anew_and_computes_nothing(tmp_path: Path, stored_as: str) -> None:
    before = run(tmp_path)
    forwards, first = before.counts["forwards"], shown(before)
    after = run(tmp_path, report={"colormap": "jet", "alpha": 0.9})
    assert after.counts["forwards"] == forwards
    assert not np.array_equal(shown(after), first)
    last = run(tmp_path, report={"format": stored_as, "colorbar": False})
    assert {Path(str(last.overlay(name, "gradcam"))).suffix for name in last.images} == {f".{stored_as}"}
    assert {path.suffix for path in (tmp_path / "run" / "overlays").iterdir()} == {f".{stored_as}"}
    assert {path.suffix for path in (tmp_path / "run").glob("contact-sheet*")} == {f".{stored_as}"}
    assert xaikit.verify(tmp_path / "run") == ()


def test_a_sweep_of_many_pictures_draws_none_unless_asked_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "MOST_UNASKED", 5)
    sweep = {"seed": [0, 1], "layers": [["stem"], ["body"]]}
    values = config(tmp_path, methods=["gradcam"], sweep=sweep)
    plan = xaikit.plan(values)
    assert plan.pages == 0
    assert str(plan).splitlines()[-1] == "no pictures: a sweep of 6 overlays; report.overlays=true draws them"
    report = xaikit.run(values)
    assert not report.sheets
    assert not (tmp_path / "run" / "overlays").exists()
    asked = xaikit.run(values, ["report.overlays=true"])
    assert len(list((tmp_path / "run" / "overlays").iterdir())) == 6
    assert len(asked.sheets) == 1
    assert "with 6 overlays" in str(xaikit.plan(values, ["report.overlays=true", "report.to=" + str(tmp_path / "new")]))


def test_a_plan_counts_the_bytes_of_pictures_and_pages(tmp_path: Path) -> None:
    values = config(tmp_path)
    plan = xaikit.plan(values)
    assert plan.pages == 1
    xaikit.run(values)
    run = tmp_path / "run"
    pictures = sum(path.stat().st_size for folder in ("pictures", "overlays") for path in (run / folder).iterdir())
    drawing = plan.benches[0].drawing
    assert drawing is not None
    assert pictures / 2 < drawing.bytes < pictures * 2
    assert plan.sheet / 3 < (run / "contact-sheet.jpg").stat().st_size < plan.sheet * 3


def test_overlays_of_a_name_that_means_another_model_are_drawn_anew(tmp_path: Path) -> None:
    """Of one model, then of another, then of the first again, whose maps the folder holds still."""

    def drawn(seed: int) -> bytes:
        values = config(tmp_path, methods=["gradcam"])
        values["model"] = {**values["model"], "kwargs": {"seed": seed}}
        return Path(xaikit.run(values).overlay("one.png", "gradcam")).read_bytes()

    first = drawn(0)
    assert drawn(1) != first
    assert drawn(0) == first
