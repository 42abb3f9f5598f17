"""``data.transform`` from a user's view: imagenet, a function of one's own, squashed, and what an error offers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import xaikit
from helpers.runs import config
from xaikit import ConfigError
from xaikit.bench.loader import Loader, Picture
from xaikit.bench.stated import stated_transform
from xaikit.bench.transforms import ArrayTransform, OwnTransform
from xaikit.config import load
from xaikit.sources import IMAGENET, OpenedModel, Photograph, Transform

MODEL = OpenedModel(torch.nn.Identity())
KNOWING = OpenedModel(torch.nn.Identity(), Transform(40, 32, (0.1, 0.2, 0.3), (1, 1, 1), "bicubic"))
OWN = """
import torch
from helper import SHIFT

def transform(picture):
    return torch.full((3, 8, 8), float(picture.size[0]) + SHIFT)

def broken(picture):
    return picture

number = 3
"""


def stated(transform: Any, model: OpenedModel = MODEL, kind: Any = "picture", base: Path = Path()) -> Any:
    values = {"model": {"source": "samples"}, "methods": "gradcam"}
    data = load({**values, "data": {"source": "samples", "transform": transform}}).data
    return stated_transform(model, data, Photograph("x", bytes, kind=kind), base)


def test_imagenet_is_what_most_of_its_classifiers_are_given() -> None:
    assert stated("imagenet") == stated({"use": "imagenet"}) == IMAGENET == Transform(256, 224)
    assert stated({"use": "imagenet", "size": 320, "crop": 288}) == Transform(320, 288)
    assert stated("imagenet", KNOWING) == IMAGENET, "who says it means it"
    assert stated({"interpolation": "nearest"}, KNOWING).interpolation == "nearest"


@pytest.mark.parametrize(
    ("given", "size"),
    [({"crop": [24, 48]}, (24, 48)), ({"size": 30}, (30, 30)), ({}, (32, 32)), ({"size": 30, "crop": 30}, (30, 30))],
)
def test_a_picture_is_squashed_as_a_whole(given: dict[str, Any], size: tuple[int, int]) -> None:
    transform = stated({"fit": "squash", **given}, KNOWING)
    assert (transform.size, transform.crop) == (size, size)
    halves = np.zeros((60, 100, 3), np.uint8)
    halves[:, 50:] = 255
    picture = np.asarray(transform.picture(Image.fromarray(halves)))
    assert picture.shape == (*size, 3)
    assert abs(picture.mean() - 127.5) < 4, "nothing is cut off"


@pytest.mark.parametrize(
    ("shape", "black"), [((60, 100), [19, 0]), ((100, 50), [0, 24]), ((30, 60), [24, 0]), ((48, 48), [0, 0])]
)
def test_a_picture_is_padded_as_a_whole(shape: tuple[int, int], black: list[int]) -> None:
    transform = stated({"fit": "pad", "crop": [48, 48]}, KNOWING)
    assert (transform.size, transform.crop) == ("fit", (48, 48))
    picture = np.asarray(transform.picture(Image.new("RGB", shape[::-1], "white")))
    assert picture.shape == (48, 48, 3)
    assert [int((picture.max((1, 2)) == 0).sum()), int((picture.max((0, 2)) == 0).sum())] == black
    left, top, right, bottom = transform.window(shape[::-1])
    assert (right - left) / (bottom - top) == pytest.approx(1, abs=0.04)
    assert (min(left, top) < 0) == any(black)
    assert stated({"fit": "crop"}, OpenedModel(torch.nn.Identity(), Transform("fit"))) == Transform(224, 224)
    assert stated({"crop": 24}, OpenedModel(torch.nn.Identity(), Transform("fit"))) == Transform("fit", (24, 24))


def test_what_does_not_agree_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"fit: squash .* expected one of size 30 and crop 20"):
        stated({"fit": "squash", "size": 30, "crop": 20}, KNOWING)
    with pytest.raises(ConfigError, match=r"data\.transform\.size: expected 2 numbers, one an axis, got \[1, 2, 3\]"):
        stated({"size": [1, 2, 3]}, KNOWING)
    with pytest.raises(
        ConfigError,
        match=r"transform\.use: expected imagenet or a function such as .*, got 'imagnet'",
    ):
        stated("imagnet")
    with pytest.raises(ConfigError, match=r"data\.transform\.size: expected nothing beside a function"):
        stated({"use": "./mine.py:transform", "size": 3})


def test_without_values_those_of_imagenet_or_of_the_architecture_are_offered() -> None:
    with pytest.raises(
        ConfigError,
        match=r"\(transform: imagenet\), write transform: \{size: 256, crop: 224, mean: \[0\.485, ",
    ):
        stated({})
    usual = OpenedModel(torch.nn.Identity(), usual=Transform(232, 224, interpolation="bicubic"))
    with pytest.raises(
        ConfigError, match=r"its architecture, write transform: \{size: 232, .*, interpolation: bicubic\}"
    ):
        stated({}, usual)


def test_own_weights_of_a_known_architecture_offer_its_values(tmp_path: Path) -> None:
    from xaikit_sources.torchvision import TorchvisionModel

    opened = TorchvisionModel("resnet18", weights=None, kwargs={"num_classes": 10}).open()
    assert opened.transform is None
    with pytest.raises(ConfigError, match=r"those of its architecture, write transform: \{size: 256, crop: 224, "):
        stated({}, opened)


def test_a_function_of_ones_own_lies_beside_the_config_with_what_it_imports(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(OWN)
    (tmp_path / "helper.py").write_text("SHIFT = 0.5\n")
    transform = stated("./mine.py:transform", base=tmp_path)
    assert isinstance(transform, OwnTransform)
    assert repr(transform) == f"OwnTransform(name='./mine.py:transform', source={transform.source!r}, channels=3)"
    loaded = Loader(transform).read(Photograph("a.png", lambda: (tmp_path / "a.png").read_bytes()))
    assert not isinstance(loaded, Picture)
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    loaded = Loader(transform).read(Photograph("a.png", lambda: (tmp_path / "a.png").read_bytes()))
    assert isinstance(loaded, Picture)
    assert loaded.pixels.unique().tolist() == [40.5]
    assert loaded.rgb.size == (8, 8)
    (tmp_path / "helper.py").write_text("SHIFT = 0.25\n")
    assert stated("./mine.py:transform", base=tmp_path).source != transform.source, "what it imports is part of it"
    for name, message in {
        "./mine.py:transfrom": r"there is no function 'transfrom'; did you mean 'transform'",
        "./mine.py:number": "there is no function 'number'",
        "./nine.py:transform": r"nine\.py:transform cannot be imported: FileNotFoundError",
    }.items():
        with pytest.raises(ConfigError, match=f"data.transform: .*{message}"):
            stated(name, base=tmp_path)
    photograph = Photograph("a.png", lambda: (tmp_path / "a.png").read_bytes())
    broken = Loader(stated("./mine.py:broken", base=tmp_path)).read(photograph)
    assert "transform ./mine.py:broken: expected a tensor of floats (channels, *S), got Image" in broken.error  # type: ignore[union-attr]


def test_a_run_with_a_function_and_its_key(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        "from torchvision.transforms import functional as F\n"
        "def transform(picture):\n    return F.to_tensor(F.resize(picture, [32, 32])) - 0.5\n"
    )
    values = config(tmp_path, methods=["gradcam"])
    values["data"]["transform"] = f"{tmp_path}/own.py:transform"
    first = xaikit.run(values)
    assert len(first.records) == 3
    assert xaikit.run(values).counts["explained"] == 3, "nothing is left to do"
    (tmp_path / "own.py").write_text((tmp_path / "own.py").read_text().replace("0.5", "0.25"))
    assert xaikit.run(values).counts["explained"] == 6, "another function, other maps"


def test_series_and_volumes_are_as_they_are_unless_somebody_says_otherwise() -> None:
    assert stated({}, kind="series") == ArrayTransform()
    series = torch.arange(12.0).reshape(2, 6)
    assert torch.equal(ArrayTransform()(series), series)
    made = stated({"crop": 4, "mean": [1, 2], "std": [2, 2]}, kind="series")(series)
    assert torch.equal(made, (series[:, 1:5] - torch.tensor([[1.0], [2.0]])) / 2)
    assert stated({"size": [4, 8, 8]}, kind="volume")(torch.rand(1, 3, 5, 6)).shape == (1, 4, 8, 8)
    assert stated({"size": 4, "crop": 2}, kind="volume")(torch.rand(1, 3, 5, 6)).shape == (1, 2, 2, 2)
    with pytest.raises(ConfigError, match="size: expected 3 numbers, one an axis"):
        stated({"size": [4, 8]}, kind="volume")
    with pytest.raises(ConfigError, match=r"transform\.fit: expected nothing for a series"):
        stated({"fit": "crop"}, kind="series")
    with pytest.raises(xaikit.DataError, match=r"crop: expected at most 6 of \(6,\), got 7"):
        stated({"crop": 7}, kind="series")(series)
    with pytest.raises(xaikit.DataError, match="expected 2 numbers as mean and std, one a channel, got 3"):
        stated({"mean": [1, 2, 3]}, kind="series")(series)
