"""docs/detectors.md: every block of it runs, in a folder that has the files it names."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision import models

import xaikit
from helpers.detector_nets import Head, YoloShaped, picture
from helpers.pages import DOCS, blocks
from xaikit_targets._candidates import FORMATS
from xaikit_targets.box import Box

PAGE = (DOCS / "detectors.md").read_text(encoding="utf-8")
RED, GREEN = 0, 1
PICTURES = {"a": picture((RED, 0, 16, 8), (GREEN, 24, 8, 8)), "b": picture((GREEN, 16, 24, 8))}
NETS = """
import torch
from torch import nn
from helpers.detector_nets import YoloShaped


class EndToEnd(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = YoloShaped().float()

    def forward(self, x):
        boxes, classes = self.net(x).mT.split([4, 3], 2)
        scores, labels = classes.max(2)
        best = scores.topk(5).indices
        rows = torch.cat([boxes[..., :2] - boxes[..., 2:] / 2, boxes[..., :2] + boxes[..., 2:] / 2,
                          scores[..., None], labels[..., None]], 2)
        return torch.stack([row[chosen] for row, chosen in zip(rows, best)])


end_to_end = EndToEnd
"""


class OneToOne(Head):
    """A head that reads its maps detached, unless it is told to be the other one."""

    end2end = True

    def forward(self, levels: list[Tensor]) -> Tensor:
        return super().forward([level.detach() for level in levels] if self.end2end else levels)


class Yolo:
    """What the page uses of ultralytics, which is no dependency: ``.model`` returns what it scores first, and more."""

    class Model(YoloShaped):
        def forward(self, x: Tensor) -> Any:
            return super().forward(x), {"feats": [x]}

        @property
        def model(self) -> list[nn.Module]:
            return [self.fine, self.coarse, self.head]

    def __init__(self, weights: str) -> None:
        assert weights in ("yolo11n.pt", "yolo26n.pt")
        self.model: nn.Module = self.Model()
        if weights == "yolo26n.pt":
            self.model.head = OneToOne()
        self.model.float()


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder without weights of torchvision."""
    from runner.test_boxes import save

    (tmp_path / "photos").mkdir()
    for name, pixels in PICTURES.items():
        save(pixels, tmp_path / "photos" / f"{name}.png")
    (tmp_path / "nets.py").write_text(NETS)
    ultralytics = ModuleType("ultralytics")
    ultralytics.YOLO = Yolo  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ultralytics", ultralytics)
    monkeypatch.chdir(tmp_path)
    for block in blocks("detectors.md"):
        if block.file:
            (tmp_path / block.file).write_text(block.text)
    return tmp_path


@pytest.fixture
def folder(small: Path) -> Path:
    homes = {"detector.pth": (models.detection, "fasterrcnn_mobilenet_v3_large_320_fpn")}
    homes["segmenter.pth"] = (models.segmentation, "lraspp_mobilenet_v3_large")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for file, (_, name) in homes.items():
            model = models.get_model(name, weights=None, weights_backbone=None)
            torch.save(model.state_dict(), small / file)
    return small


OVERRIDES = {
    "odam.yaml": ["model.kwargs={box_score_thresh: 0.0, rpn_post_nms_top_n_test: 20, min_size: 160, max_size: 160}"]
}
"""Random weights are sure of nothing."""


def test_every_config_of_the_page_explains_what_it_says(folder: Path) -> None:
    files = [block.file for block in blocks("detectors.md") if block.file.endswith(".yaml")]
    assert files == ["odam.yaml", "rows.yaml", "yolo.yaml", "segmenter.yaml"]
    reports = {file: xaikit.run(folder / file, OVERRIDES.get(file, [])) for file in files}
    assert not any(report.failures for report in reports.values())
    assert len(reports["odam.yaml"].records) == 2 * 2 * 3
    assert not any(math.isnan(record.score) for record in reports["odam.yaml"].records)
    named = [(record.stem, record.target_name) for record in reports["rows.yaml"].records]
    assert sorted(named) == [("a", "green"), ("a", "red"), ("b", "green")]
    assert len(reports["yolo.yaml"].records) == 4
    assert all("mask" in row["extent"] for row in reports["segmenter.yaml"].rows.to_pylist())


def test_the_other_head_of_yolo26_has_gradients(small: Path) -> None:
    reports = [
        xaikit.run(small / "yolo.yaml", [f"model.factory={file}:model", f"report.to={small / file}.run"])
        for file in ("yolo.py", "yolo26.py")
    ]
    maps = [torch.cat([report.map(name, "odam") for name in ("a.png", "b.png")]) for report in reports]
    assert maps[1].flatten(1).any(1).tolist() == [True] * 4
    torch.testing.assert_close(maps[1], maps[0])


def test_its_adapter_leaves_out_what_is_behind_the_classes(small: Path) -> None:
    output = YoloShaped()(PICTURES["a"])
    behind = torch.cat([output, 20 * output[:, :2]], 1)
    space: dict[str, Any] = {}
    exec((small / "heads.py").read_text(), space)
    (made,) = space["first_classes"](behind, classes=3)
    pinned = Box(format="anchor_free", above=0.5).pin(output, None)
    assert pinned.labels.shape == (1, 2)
    (kept,) = torch.where(made["scores"].amax(1) >= 0.5)
    assert sorted(made["boxes"][kept].tolist()) == sorted(pinned.boxes[0].tolist())


def test_its_python_runs(folder: Path) -> None:
    space: dict[str, Any] = {}
    for block in blocks("detectors.md"):
        if block.language == "python" and not block.file:
            exec(compile(block.text, "docs/detectors.md", "exec"), space)
    assert space["explained"]["hirescam"].map.shape == (2, 2, 128, 128)
    assert space["explained"]["hirescam"].target.boxes.shape == (2, 2, 4)
    assert (folder / "boxes.png").is_file()
    assert space["framed"].map.shape == (2, 128, 128)
    assert space["framed"].overlay(sample=1).height == 90
    assert space["listed"].map.shape == (2, 2, 128, 140)
    with Image.open(folder / "second.png") as second:
        assert second.height == 128


def test_it_names_every_format() -> None:
    assert all(f"| `{form}` |" in PAGE for form in FORMATS)
