"""``xaikit explain``: the lines that a person types, and what lies there afterwards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xaikit.cli import main

RANDOM = ["--model", "torchvision:resnet18", "--random", "--device", "cpu"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pixels = np.random.default_rng(0).integers(0, 255, (60, 90, 3), np.uint8)
    for name in ("photo.jpg", "other.png"):
        Image.fromarray(pixels).save(tmp_path / name)
    (tmp_path / "names.txt").write_text("tench\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*args: str) -> int:
    try:
        main(["explain", *args])
    except SystemExit as exit:
        return int(exit.code or 0)
    return 0


def test_a_photograph_in_and_a_picture_out(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("photo.jpg", *RANDOM, "--method", "gradcam", "--out", "maps/photo.gradcam.png", "--target", "tench") == 0
    with Image.open(folder / "maps" / "photo.gradcam.png") as drawn:
        assert drawn.height == 60, "the size of the photograph"
    assert capsys.readouterr().out.startswith("photo.jpg: tench ")


def test_several_of_both_lie_beside_each_other_and_one_that_is_broken_stops_no_other(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "broken.jpg").write_text("none")
    methods = ["--method", "gradcam", "--method", "layercam"]
    layers = ["--layers", "layer2,layer3", "--target", "281"]
    assert run("photo.jpg", "broken.jpg", "other.png", *RANDOM, *methods, *layers, "--out", "maps") == 1
    names = {f"{photograph}.{method}.png" for photograph in ("photo", "other") for method in ("gradcam", "layercam")}
    assert {path.name for path in (folder / "maps").iterdir()} == names
    printed = capsys.readouterr()
    assert "tabby" in printed.out
    assert "at layer2, layer3" in printed.out
    assert "broken.jpg: expected a picture" in printed.err


def test_a_model_of_ones_own_with_classes_and_a_transform(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "mine.py").write_text(
        "from torch import nn\n"
        "def net():\n"
        "    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))\n"
    )
    mine = ["photo.jpg", "--model", "importpath:./mine.py:net"]
    assert run(*mine) == 2
    assert "say --transform imagenet" in capsys.readouterr().err
    assert run(*mine, "--transform", "imagenet", "--option", "classes=[cat, dog]", "--target", "dog") == 0
    assert capsys.readouterr().out.startswith("photo.jpg: dog ")
    assert (folder / "photo.gradcam.png").is_file()


MINE = """
import torch
from torch import nn
from torchvision.transforms.functional import to_tensor

def net(channels=3):
    return nn.Sequential(nn.Conv2d(channels, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 14 * 14, 2))

def prepare(picture):
    return to_tensor(picture.resize((16, 16)))

def broken(picture):
    raise RuntimeError("no such picture")
"""


@pytest.mark.parametrize("transform", ["./mine.py:prepare", "{use: imagenet, size: 16, crop: 16}"])
def test_a_transform_is_stated_as_a_yaml_states_it(folder: Path, transform: str) -> None:
    (folder / "mine.py").write_text(MINE)
    assert run("photo.jpg", "--model", "importpath:./mine.py:net", "--transform", transform) == 0


def test_a_function_gets_as_many_channels_as_it_says(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "mine.py").write_text(MINE)
    transform = ["--transform", "{use: './mine.py:prepare', channels: 1}"]
    assert run("photo.jpg", "--model", "importpath:./mine.py:net", "--option", "kwargs={channels: 1}", *transform) == 0


@pytest.mark.parametrize("photographs", [["photo.jpg"], ["photo.jpg", "other.png"]])
def test_a_model_that_raises_is_one_error_with_layer_and_shapes(
    folder: Path, capsys: pytest.CaptureFixture[str], photographs: list[str]
) -> None:
    (folder / "mine.py").write_text(MINE)
    mine = ["--model", "importpath:./mine.py:net", "--transform", "{use: imagenet, size: 17, crop: 17}"]
    assert run(*photographs, *mine) == 2
    message = "xaikit: ModelError: model: its forward raises in layer '3' (Linear), given (1, 900): RuntimeError: "
    assert capsys.readouterr().err.startswith(message)


def test_a_function_that_raises_names_the_photographs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "mine.py").write_text(MINE)
    mine = ["--model", "importpath:./mine.py:net", "--transform", "./mine.py:broken"]
    assert run("photo.jpg", "other.png", *mine) == 1
    message = "transform ./mine.py:broken: RuntimeError: no such picture\n"
    assert capsys.readouterr().err == f"photo.jpg: {message}other.png: {message}"


def test_layers_may_stand_with_spaces(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("photo.jpg", *RANDOM, "--layers", "layer3, layer4") == 0
    assert "at layer3, layer4" in capsys.readouterr().out


def test_no_photograph_is_written_over(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (folder / "photo.jpg").read_bytes()
    (folder / "linked").symlink_to(folder)
    for out in ("photo.jpg", "linked/photo.jpg"):
        assert run("photo.jpg", *RANDOM, "--out", out) == 2
    assert run("other.png", *RANDOM) == 0
    assert run("other.png", "other.gradcam.png", *RANDOM) == 2
    assert "got 'other.gradcam.png'" in capsys.readouterr().err
    assert (folder / "photo.jpg").read_bytes() == before


@pytest.mark.parametrize("name", ["cat: tabby", "@x", "*y"])
def test_a_class_whose_name_is_no_yaml(folder: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    (folder / "names.txt").write_text(f"{name}\nother\n")
    (folder / "mine.py").write_text(
        "from torch import nn\n"
        "def net():\n"
        "    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))\n"
    )
    named = ["--transform", "imagenet", "--option", "classes=names.txt", "--target", name]
    assert run("photo.jpg", "--model", "importpath:./mine.py:net", *named) == 0
    assert capsys.readouterr().out.startswith(f"photo.jpg: {name} ")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["photo.jpg", *RANDOM, "--target", "a: b: c"], "--target: the value is not valid YAML"),
        (["photo.jpg", *RANDOM, "--target", "@x"], "--target: the value is not valid YAML"),
        (["photo.jpg", *RANDOM, "--option", "kwargs={a: ["], "--option kwargs: the value is not valid YAML"),
        (["photo.jpg", "--model", "resnet18"], "--model: expected SOURCE:NAME"),
        (["photo.jpg", "--model", "torchvison:resnet18"], "did you mean 'torchvision'"),
        (["photo.jpg", "--model", "torchvision:resnet19", "--random"], "did you mean 'resnet18'"),
        (["photo.jpg", "--model", "samples:one"], "samples has one model alone"),
        (["photo.jpg", "--model", "torchvision"], "name"),
        (["foto.jpg", *RANDOM], "did you mean 'photo.jpg'"),
        (["photo.jpg", *RANDOM, "--method", "gradcm"], "did you mean 'gradcam'"),
        (["photo.jpg", *RANDOM, "--layers", "layr4"], "did you mean 'layer4'"),
        (["photo.jpg", *RANDOM, "--weights", "DEFAULT"], "expected none beside --random"),
        (["photo.jpg", *RANDOM[:2], "--weights", "names.txt"], "expected a state dict in 'names.txt'"),
        (["photo.jpg", *RANDOM[:2], "--weights", "none.txt"], "there are no weights 'none.txt'"),
        (["photo.jpg", *RANDOM, "--option", "seed"], "expected KEY=VALUE"),
        (["photo.jpg", *RANDOM, "--option", "sede=1"], "did you mean 'seed'"),
        (["photo.jpg", "other.png", *RANDOM, "--out", "one.png"], "expected a folder for 2 pictures"),
        (["photo.jpg", "./photo.jpg", *RANDOM], "files of different names"),
        (["photo.jpg", *RANDOM, "--out", "one.xyz"], "expected an ending such as .png"),
        (["photo.jpg", *RANDOM, "--transform", "imgnet"], "--transform.use: expected imagenet or a function"),
        (["photo.jpg", *RANDOM, "--transform", "{sise: 64}"], "--transform.sise: unknown key; did you mean 'size'"),
        (["photo.jpg", *RANDOM, "--transform", "./none.py:f"], "--transform: ./none.py:f cannot be imported"),
        (["photo.jpg", *RANDOM, "--transform", "{size: 64"], "--transform: the value is not valid YAML"),
        (["photo.jpg", *RANDOM[:-1], "tpu"], "device: expected auto, cpu, cuda"),
        (["photo.jpg", *RANDOM, "--out", "photo.jpg"], "--out: expected another file than the photographs"),
    ],
)
def test_what_is_wrong_is_said_with_exit_code_2(
    args: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*args) == 2
    assert message in capsys.readouterr().err
