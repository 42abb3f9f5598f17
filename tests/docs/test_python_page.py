"""docs/python.md: every block of it is run, and gives what it says."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import xaikit
from xaikit.cli import main

PAGE = (Path(__file__).parents[2] / "docs" / "python.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"```sh\nxaikit (.*?)\n```", PAGE)
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pixels = np.random.default_rng(0).integers(0, 255, (300, 400, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_block_runs_and_shapes_are_those_that_it_says(folder: Path) -> None:
    space: dict[str, Any] = {}
    for block in BLOCKS:
        exec(compile(block, "python.md", "exec"), space)
        for line, shape in re.findall(r"^(explanation\.\S+)  # (\([\d, ]+\))$", block, re.MULTILINE):
            value = eval(line, space)
            assert str(tuple(getattr(value, "shape", value))) == shape
    with Image.open(folder / "photo.gradcam.png") as drawn:
        assert drawn.height == 300
    assert (folder / "sheet.jpg").is_file()
    assert np.load(folder / "map.npy").shape == (3, 2, 64, 64)
    explanation = space["explanation"]
    assert explanation.mask("95%")[0].shape == (300, 400)
    assert explanation.boxes()[0].shape[1] == 4


def test_its_commands_run(folder: Path) -> None:
    exec(compile(next(block for block in BLOCKS if "xaikit.run" in block), "python.md", "exec"), {"xaikit": xaikit})
    assert (folder / "run" / "boxes.csv").is_file()
    for command in COMMANDS:
        main(shlex.split(command))
    with Image.open(folder / "photo.gradcam.png") as drawn:
        assert drawn.height == 300
    assert json.loads((folder / "coco.json").read_text())["annotations"]
