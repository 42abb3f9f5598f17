"""Paths of a config, relative to the file that says them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import xaikit
from helpers.runs import CLASSES, FACTORY, pictures
from xaikit import ConfigError
from xaikit.config import load

MODEL = "model: {source: importpath, factory: 'models:tiny', classes: names.txt}\n"
TRANSFORM = "transform: {size: 32, crop: 32, mean: [0.5, 0.5, 0.5], std: [1, 1, 1]}"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Configs in ``shared`` and ``mine``; the working directory is neither."""
    for name in ("shared", "mine", "elsewhere"):
        (tmp_path / name).mkdir()
    (tmp_path / "shared" / "models.py").write_text(FACTORY)
    (tmp_path / "shared" / "names.txt").write_text("\n".join(CLASSES))
    pictures(tmp_path / "shared" / "photos", ("a.png",))
    pictures(tmp_path / "mine" / "photos", ("b.png", "c.png"))
    monkeypatch.chdir(tmp_path / "elsewhere")
    (tmp_path / "shared" / "base.yaml").write_text(
        f"{MODEL}data: {{source: folder, path: photos, {TRANSFORM}}}\nmethods: gradcam\n"
    )
    return tmp_path


def names(report: xaikit.Report) -> list[str]:
    return list(report.images)


def test_a_path_is_relative_to_the_config_that_says_it(home: Path) -> None:
    assert names(xaikit.run(home / "shared" / "base.yaml")) == ["photos/a.png"]
    (home / "mine" / "own.yaml").write_text("extends: ../shared/base.yaml\ndata: {path: photos}\n")
    config = load(home / "mine" / "own.yaml")
    assert (config.data.source.options["path"], config.model.classes) == ("photos", "../shared/names.txt")
    assert config.model.source.options["factory"] == "../shared/models:tiny"
    assert names(xaikit.run(home / "mine" / "own.yaml")) == ["photos/b.png", "photos/c.png"]
    (home / "mine" / "theirs.yaml").write_text("extends: ../shared/base.yaml\n")
    assert names(xaikit.run(home / "mine" / "theirs.yaml")) == ["../shared/photos/a.png"]


def test_an_override_is_relative_to_where_it_is_typed(home: Path) -> None:
    pictures(home / "elsewhere" / "new", ("z.png",))
    report = xaikit.run(home / "shared" / "base.yaml", ["data.path=new", "name=typed"])
    assert names(report) == ["../elsewhere/new/z.png"]


def test_a_sweep_is_relative_to_the_config(home: Path) -> None:
    pictures(home / "shared" / "more", ("m.png",))
    text = (home / "shared" / "base.yaml").read_text()
    (home / "shared" / "sweep.yaml").write_text(f"{text}sweep: {{data.path: [photos, more]}}\n")
    assert set(names(xaikit.run(home / "shared" / "sweep.yaml"))) == {"photos/a.png", "more/m.png"}


def test_what_lies_in_the_working_directory_alone_is_said(home: Path) -> None:
    pictures(home / "elsewhere" / "here", ("z.png",))
    (home / "mine" / "own.yaml").write_text("extends: ../shared/base.yaml\ndata: {path: here}\n")
    message = r"path: there is no 'here' in '.*mine', the folder of the config, .* is '\.\./elsewhere/here' there"
    with pytest.raises(ConfigError, match=message):
        xaikit.run(home / "mine" / "own.yaml")


def test_absolute_paths_and_those_of_a_mapping_stay_as_they_are(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home / "shared")
    values: dict[str, Any] = {
        "model": {"source": "importpath", "factory": "models:tiny"},
        "data": {
            "source": "folder",
            "path": "photos",
            "transform": {"size": 32, "crop": 32, "mean": [0] * 3, "std": [1] * 3},
        },
        "methods": "gradcam",
        "report": {"to": str(home / "run")},
    }
    assert names(xaikit.run(values)) == ["photos/a.png"]
    values["data"]["path"] = str(home / "shared" / "photos")
    assert names(xaikit.run(values)) == [f"{home}/shared/photos/a.png"]


def test_weights_and_masks_are_files_and_names_are_names(home: Path) -> None:
    stated = {
        "model: {source: torchvision, name: resnet18, weights: DEFAULT}": ("weights", "DEFAULT"),
        "model: {source: torchvision, name: resnet18, weights: net.pth}": ("weights", "../shared/net.pth"),
        "model: {source: importpath, factory: 'torchvision.models:resnet18'}": (
            "factory",
            "torchvision.models:resnet18",
        ),
        "model: {source: importpath, factory: './models.py:tiny'}": ("factory", "../shared/models.py:tiny"),
        "model: {source: hub, repo: 'pytorch/vision:v0.10.0', name: x}": ("repo", "pytorch/vision:v0.10.0"),
    }
    for text, (option, value) in stated.items():
        (home / "shared" / "base.yaml").write_text(f"{text}\ndata: {{source: samples}}\nmethods: gradcam\n")
        (home / "mine" / "own.yaml").write_text("extends: ../shared/base.yaml\n")
        assert load(home / "mine" / "own.yaml").model.source.options[option] == value
    (home / "shared" / "base.yaml").write_text(
        "model: {source: samples}\ndata: {source: samples}\nmethods: gradcam\ntarget: {use: region, mask: m.png}\n"
    )
    assert load(home / "mine" / "own.yaml").target.options["mask"] == "../shared/m.png"
