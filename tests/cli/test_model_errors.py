"""A model that raises, from the command line and within a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import xaikit
from helpers.runs import config, pictures
from xaikit.cli import main
from xaikit.plain.text import flow

FAULTY = """
import torch
from torch import nn

class Stubborn(nn.Module):
    def forward(self, x):
        if x.mean() > {limit}:
            raise RuntimeError("too bright")
        return x

def make(first=False):
    body = [nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())]
    body.insert(0 if first else 1, Stubborn())
    return nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5))
"""


def written(folder: Path, limit: float) -> dict[str, Any]:
    values = config(folder, methods=["gradcam"])
    (folder / "faulty.py").write_text(FAULTY.format(limit=limit))
    return {**values, "model": {"source": "importpath", "factory": "faulty:make"}}


def yaml(folder: Path, values: dict[str, Any]) -> str:
    (folder / "run.yaml").write_text("".join(f"{key}: {flow(value)}\n" for key, value in values.items()))
    return str(folder / "run.yaml")


@pytest.mark.parametrize("command", ["run", "plan", "layers"])
def test_a_model_that_raises_is_one_error_with_layer_and_shapes_and_no_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    file = yaml(tmp_path, written(tmp_path, -1e9))
    where = "its forward raises in layer '1' (Stubborn), given (1, 4, 30, 30)"
    message = f"xaikit: ModelError: model: {where}: RuntimeError: too bright\n"
    for given, is_debugged in ([command, file], False), ([command, file, "--debug"], True):
        with pytest.raises(SystemExit) as ended:
            main(given)
        printed = capsys.readouterr().err
        assert ended.value.code == 2
        assert printed.endswith(message)
        assert ("Traceback" in printed) == is_debugged
        assert is_debugged or printed == message


def test_one_that_raises_on_some_photographs_names_them_and_the_layer(tmp_path: Path) -> None:
    values = written(tmp_path, 0.5)
    Image.new("RGB", (40, 40), "white").save(pictures(tmp_path / "photos") / "white.png")
    factory = {"source": "importpath", "factory": f"{tmp_path}/faulty.py:make", "kwargs": {"first": True}}
    report = xaikit.run({**values, "model": factory})
    assert len(report.records) == 3
    (failure,) = report.failures
    assert failure.name.endswith("white.png")
    assert failure.error == "RuntimeError: too bright; raised in layer '0' (Stubborn), given (1, 3, 32, 32)"
    assert "Traceback" in failure.details


def test_what_is_the_fault_of_many_photographs_is_said_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    values = written(tmp_path, 0.5)
    pictures(tmp_path / "photos")
    for name in ("w1.png", "w2.png", "w3.png"):
        Image.new("RGB", (40, 40), "white").save(tmp_path / "photos" / name)
    values["model"] |= {"kwargs": {"first": True}}
    values["methods"] = ["gradcam", "layercam"]
    with pytest.raises(SystemExit) as ended:
        main(["run", yaml(tmp_path, values)])
    assert ended.value.code == 1
    printed = " ".join(capsys.readouterr().out.split())
    assert printed.count("too bright") == 1
    assert "failed: 3 photographs, the first" in printed
    assert "w1.png, gradcam, layercam: RuntimeError: too bright; raised in layer '0' (Stubborn)" in printed
