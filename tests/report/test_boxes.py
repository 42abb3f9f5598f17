"""Boxes of a run: in pixels of the original files, as a table and as COCO has them."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import xaikit
from helpers.runs import config
from xaikit import ConfigError
from xaikit.cli import main
from xaikit.report.boxes import INPUT, MapBox, as_coco, boxes_of
from xaikit.schema.boxes import BoxesConfig

RED = """
import torch
from torch import nn


def red():
    first = nn.Conv2d(3, 1, 1, bias=False)
    net = nn.Sequential(first, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2))
    with torch.no_grad():
        first.weight.copy_(torch.tensor([1.0, 0, 0]).reshape(1, 3, 1, 1))
        net[-1].weight.copy_(torch.tensor([[1.0], [-1.0]]))
    return net.eval()
"""
SPOT = (110, 30, 130, 40)


def red_run(folder: Path, **changes: Any) -> dict[str, Any]:
    """A model that looks at red alone, and a wide photograph with a red spot, one that is turned by its EXIF, and a black one."""
    (folder / "red.py").write_text(RED)
    photos = folder / "photos"
    photos.mkdir()
    pixels = np.zeros((80, 200, 3), np.uint8)
    x0, y0, x1, y1 = SPOT
    pixels[y0:y1, x0:x1, 0] = 255
    exif = Image.Exif()
    exif[0x0112] = 8  # to be turned by a quarter, counterclockwise
    Image.fromarray(pixels).save(photos / "spot.png")
    Image.fromarray(np.rot90(pixels, -1).copy()).save(photos / "turned.png", exif=exif)
    Image.fromarray(0 * pixels).save(photos / "black.png")
    values = config(folder, **changes)
    values["model"] = {"source": "importpath", "factory": f"{folder}/red.py:red", "classes": ["red", "not"]}
    values["data"]["transform"] = {"size": 80, "crop": 80, "mean": [0.0] * 3, "std": [1.0] * 3}
    return {**values, "target": 0, "methods": ["hirescam"], "layers": "0"}


def rows(file: Path) -> dict[str, dict[str, str]]:
    with file.open(newline="") as opened:
        return {Path(row["name"]).name: row for row in csv.DictReader(opened)}


def test_a_config_asks_for_a_table_in_pixels_of_the_files(tmp_path: Path) -> None:
    report = {"to": str(tmp_path / "run"), "boxes": {"threshold": "otsu", "keep": "largest"}, "overlays": False}
    xaikit.run(red_run(tmp_path, report=report))
    table = rows(tmp_path / "run" / "boxes.csv")
    for name in ("spot.png", "turned.png"):
        assert tuple(float(table[name][edge]) for edge in ("x0", "y0", "x1", "y1")) == SPOT
        assert (table[name]["width"], table[name]["height"], table[name]["area"]) == ("200", "80", "200.0")
        assert (table[name]["target_name"], float(table[name]["mass"])) == ("red", 1)
    assert table["black.png"]["x0"] == ""
    assert "no region" in table["black.png"]["note"]
    assert xaikit.verify(tmp_path / "run") == ()


@pytest.mark.parametrize(
    ("transform", "seen"),
    [({"size": 64, "crop": 64, "fit": "pad"}, (0, 0, 200, 80)), ({"size": 40, "crop": 64}, (36, 0, 164, 80))],
)
def test_what_lies_beside_the_photograph_is_in_no_box(tmp_path: Path, transform: dict[str, Any], seen: Any) -> None:
    """Padding, and the margin of a crop that is larger than the picture: an even map is all that was seen."""
    values = red_run(tmp_path, report={"to": str(tmp_path / "run"), "boxes": {"threshold": 0.5}, "overlays": False})
    values["data"]["transform"] |= transform
    report = xaikit.run({**values, "methods": {"uniform": {}, "hirescam": {}}, "controls": False})
    boxes = [box for box in boxes_of(report, BoxesConfig("20%")) if "nowhere positive" not in box.note]
    assert {box.trial for box in boxes} == {"hirescam", "uniform"}
    for box in boxes:
        assert box.x0 is not None
        assert 0 <= box.x0 < box.x1 <= box.width
        assert 0 <= box.y0 < box.y1 <= box.height
        assert box.area <= (box.x1 - box.x0) * (box.y1 - box.y0) * 1.05
        if box.trial == "uniform":
            assert (box.x0, box.y0, box.x1, box.y1) == pytest.approx(seen, abs=1.7)  # half a place of the map


def test_boxes_of_a_run_are_those_of_explain(tmp_path: Path) -> None:
    report = xaikit.run(config(tmp_path))
    (tmp_path / "other").mkdir()
    boxes = [box for box in boxes_of(report, BoxesConfig(0.3), "gradcam") if box.name.endswith("two.png")]
    from helpers.runs import tiny
    from xaikit.sources import Transform

    transform = Transform(32, 32, (0.5,) * 3, (0.25,) * 3)
    photograph = tmp_path / "photos" / "two.png"
    alone = xaikit.explain(tiny(tmp_path), photograph, "gradcam", transform=transform)["gradcam"].boxes(0.3)[0]
    assert alone.shape[0] == len(boxes) > 0
    got = torch.tensor([[box.x0, box.y0, box.x1, box.y1] for box in boxes])
    torch.testing.assert_close(got, alone, rtol=0, atol=0.01)


def test_the_command_writes_coco_or_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    xaikit.run(red_run(tmp_path))
    run = str(tmp_path / "run")
    main(["boxes", run, "--to", str(tmp_path / "out" / "coco.json"), "--threshold", "0.5"])
    coco = json.loads((tmp_path / "out" / "coco.json").read_text())
    assert [Path(image["file_name"]).name for image in coco["images"]] == ["black.png", "spot.png", "turned.png"]
    assert coco["categories"] == [{"id": 0, "name": "red"}]
    assert [one["bbox"] for one in coco["annotations"]] == [[110, 30, 20, 10]] * 2
    assert [one["image_id"] for one in coco["annotations"]] == [2, 3]
    assert "2 boxes of 3 photographs" in capsys.readouterr().out
    main(["boxes", run, "--to", str(tmp_path / "boxes.csv"), "--keep", "largest", "--trial", "hirescam"])
    assert len(rows(tmp_path / "boxes.csv")) == 3
    for wrong, message in (("boxes.xml", "ends in .json"), ("boxes.csv", "did you mean 'hirescam'")):
        with pytest.raises(SystemExit):
            main(["boxes", run, "--to", str(tmp_path / wrong), "--trial", "hirescm"])
        assert message in capsys.readouterr().err


def test_a_map_of_no_class_has_a_category_of_that_name() -> None:
    box = MapBox("a.png", "eigencam", 0, None, "", 9, 9, 1.0, 2.0, 3.0, 4.0, 4.0, 1.0, 0.5)
    assert json.loads(as_coco([box]))["categories"] == [{"id": -1, "name": "no class"}]


def test_where_the_geometry_is_not_known_boxes_are_of_the_input_and_say_so(tmp_path: Path) -> None:
    values = red_run(tmp_path)
    values["report"]["overlays"] = False
    report = xaikit.run(values)
    boxes = {Path(box.name).name: box for box in boxes_of(report, BoxesConfig())}
    assert boxes["spot.png"].note == INPUT
    assert (boxes["spot.png"].width, boxes["spot.png"].height) == (80, 80)


@pytest.mark.parametrize(
    ("boxes", "message"),
    [({"threshold": 0}, "threshold: expected a share"), ({"keep": "some"}, "keep"), ({"treshold": 1}, "did you mean")],
)
def test_a_config_that_asks_for_what_there_is_not_is_refused(boxes: Any, message: str) -> None:
    sources = {"model": {"source": "samples"}, "data": {"source": "samples"}, "methods": "gradcam"}
    with pytest.raises(ConfigError, match=message):
        xaikit.load({**sources, "report": {"boxes": boxes}})


def test_a_config_with_boxes_reads_as_it_was_written() -> None:
    sources = {"model": {"source": "samples"}, "data": {"source": "samples"}, "methods": "gradcam"}
    config = xaikit.load({**sources, "report": {"boxes": {"threshold": "95%"}}})
    assert config.report.boxes == BoxesConfig("95%")
    assert xaikit.load(config.plain()) == config
    assert "boxes" not in xaikit.load(sources).plain()["report"]


def test_boxes_of_maps_that_have_none_are_refused(tmp_path: Path) -> None:
    values = red_run(tmp_path, report={"to": str(tmp_path / "run"), "boxes": {}}, finish={"fuse": "none"})
    with pytest.raises(xaikit.ConfigError, match=r"report\.boxes: expected maps of pictures, got none"):
        xaikit.run(values)
    xaikit.run({**values, "report": {"to": str(tmp_path / "run")}})
    with pytest.raises(xaikit.ConfigError, match=r"report\.boxes: expected maps of pictures, got none"):
        list(boxes_of(xaikit.open(tmp_path / "run"), BoxesConfig()))


def test_a_table_that_is_asked_for_no_more_is_removed(tmp_path: Path) -> None:
    table, report = tmp_path / "run" / "boxes.csv", {"to": str(tmp_path / "run"), "overlays": False}
    values = red_run(tmp_path, report={**report, "boxes": {}})
    xaikit.run(values)
    assert table.exists()
    xaikit.run({**values, "report": report})
    assert not table.exists()
    table.write_text("of somebody else")
    xaikit.run({**values, "report": report})
    assert table.exists()
