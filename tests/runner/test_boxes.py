"""Runs of detectors: as many boxes a photograph as it has, each with its row, its map and its frame in the picture."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import xaikit
from helpers import detector_nets
from helpers.detector_nets import picture

NETS = Path(detector_nets.__file__)
RED, GREEN = 0, 1
PICTURES = {
    "two": picture((RED, 0, 16, 8), (GREEN, 24, 8, 8)),
    "none": picture(),
    "one": picture((GREEN, 16, 24, 8)),
    "three": picture((RED, 0, 0, 8), (RED, 8, 16, 8), (GREEN, 24, 24, 8)),
}


def config(folder: Path, factory: str, target: dict[str, Any], **more: Any) -> dict[str, Any]:
    photographs = folder / "photographs"
    photographs.mkdir(exist_ok=True)
    for name, pixels in PICTURES.items():
        save(pixels, photographs / f"{name}.png")
    return {
        "version": 1,
        "name": "boxes",
        "model": {"source": "importpath", "factory": f"{NETS}:{factory}", "classes": ["red", "green", "blue"]},
        "data": {
            "source": "files",
            "path": [str(photographs / f"{name}.png") for name in PICTURES],
            "batch_size": 2,
            "transform": {"crop": 32, "fit": "pad", "mean": [0, 0, 0], "std": [1, 1, 1]},
        },
        "target": {"use": "box", **target},
        "methods": {"odam": {"use": "hirescam", "finish": {"rectify": "relu"}}},
        "finish": {"fuse": "deepest"},
        "report": {"to": str(folder / "run")},
        **more,
    }


def save(pixels: Tensor, path: Path) -> None:
    Image.fromarray((255 * pixels[0].permute(1, 2, 0)).byte().numpy()).save(path)


@pytest.mark.parametrize(
    ("factory", "form"),
    [
        ("yolo_shaped", f"{NETS}:detections"),
        ("yolo_shaped", "helpers.detector_nets:detections"),
        ("detr_shaped", "queries"),
    ],
)
def test_each_photograph_has_as_many_boxes_as_it_has(factory: str, form: str, tmp_path: Path) -> None:
    report = xaikit.run(config(tmp_path, factory, {"above": 0.75, "format": form}))
    assert not report.failures
    found: dict[str, dict[tuple[float, ...], str]] = {}
    for row in report.rows.to_pylist():
        if row["extent"] is None:
            found[Path(row["name"]).stem] = {}
            assert math.isnan(row["score"])
            assert row["warnings"] == ["no target in this picture"]
            continue
        corners = json.loads(row["extent"])["corners"]
        found.setdefault(Path(row["name"]).stem, {})[tuple(corners)] = row["target_name"]
    assert found == {
        "two": {(16, 0, 24, 8): "red", (8, 24, 16, 32): "green"},
        "none": {},
        "one": {(24, 16, 32, 24): "green"},
        "three": {(0, 0, 8, 8): "red", (16, 8, 24, 16): "red", (24, 24, 32, 32): "green"},
    }
    for record in report.records:
        saliency = report.map(record.name, "odam")[record.column]
        assert saliency.isnan().all() if math.isnan(record.score) else saliency.max() > 0.5
    assert len(list((tmp_path / "run" / "overlays").iterdir())) == 7


def test_the_map_of_a_box_lies_in_it_and_its_frame_is_drawn(tmp_path: Path) -> None:
    report = xaikit.run(config(tmp_path, "yolo_shaped", {"rank": [1, 2], "format": "anchor_free"}))
    for record, row in zip(report.records, report.rows.to_pylist(), strict=True):
        if record.score > 0.75:
            x0, y0, x1, y1 = map(int, json.loads(row["extent"])["corners"])
            saliency = torch.as_tensor(report.map(record.name, "odam"))[record.column]
            y, x = divmod(int(saliency.argmax()), 32)
            assert y0 <= y < y1
            assert x0 <= x < x1
    drawn = np.asarray(Image.open(next((tmp_path / "run" / "overlays").glob("two.odam.png"))).convert("RGB"))
    plain = np.asarray(Image.open(tmp_path / "photographs" / "two.png"))
    assert drawn.shape[0] >= plain.shape[0]


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    stated = config(tmp_path, "yolo_shaped", {"above": 0.75, "format": "anchor_free"})
    whole = xaikit.run(stated)
    assert [bench.done for bench in xaikit.plan(stated).benches] == [4]
    again = xaikit.run({**stated, "methods": {**stated["methods"], "gradcam": None}})
    boxes = [(row["name"], row["column"], row["extent"]) for row in whole.rows.to_pylist()]
    assert len(boxes) == 7
    assert {(row["name"], row["column"], row["extent"]) for row in again.rows.to_pylist()} == set(boxes)
    assert len(again.rows) == 2 * len(boxes)


def test_the_map_of_each_box_is_judged_and_of_none_it_is_no_number(tmp_path: Path) -> None:
    stated = config(tmp_path, "yolo_shaped", {"above": 0.75, "format": "anchor_free"})
    report = xaikit.run({**stated, "metrics": ["deletion"]})
    assert not report.failures
    mine = [row for row in report.measures.to_pylist() if row["label"] == "odam"]
    judged = {(Path(row["name"]).stem, row["column"]): row["value"] for row in mine}
    assert len(judged) == 7
    for (name, _), value in judged.items():
        assert math.isnan(value) if name == "none" else value < 0.1, "erased first, a box is gone"


def test_the_first_photograph_may_have_no_box(tmp_path: Path) -> None:
    stated = config(tmp_path, "yolo_shaped", {"above": 0.75, "format": "anchor_free"})
    stated["data"]["path"] = stated["data"]["path"][1:2]
    report = xaikit.run(stated)
    assert not report.failures
    assert report.rows.num_rows == 1
