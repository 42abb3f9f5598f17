"""Pictures as people have them, by a transform: what the model receives, and where on the picture its map lies."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision import models, transforms
from torchvision.transforms import v2

import xaikit
from helpers.hard_nets import seeded
from xaikit import ConfigError, DataError, Explanation
from xaikit.sources import Transform

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
SMALL = Transform(16, 12)


class Net(nn.Module):
    """Three classes of colours, pictures of any size."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.head(self.body(x).mean((2, 3)))
        return scores


def photograph(width: int = 60, height: int = 40) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
    return Image.fromarray(pixels)


def explained(pictures: Any, transform: Any, **options: Any) -> Explanation:
    model = seeded(Net).float()
    return xaikit.explain(model, pictures, "gradcam", transform=transform, layers="body", **options)["gradcam"]


FORMS = {
    "picture": lambda picture: picture,
    "array (H, W, C)": np.asarray,
    "array of floats": lambda picture: np.asarray(picture) / 255,
    "tensor of bytes": lambda picture: transforms.PILToTensor()(picture),
    "tensor of bfloat16": lambda picture: (transforms.PILToTensor()(picture) / 255).bfloat16(),
    "tensor of floats": lambda picture: transforms.ToTensor()(picture),
    "list": lambda picture: [picture],
    "batch of arrays": lambda picture: np.asarray(picture)[None],
    "batch of tensors": lambda picture: transforms.ToTensor()(picture)[None],
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_a_picture_in_every_form_is_the_same_sample(form: Any) -> None:
    want = SMALL.tensor(SMALL.picture(photograph()))[None]
    explanation = explained(form(photograph()), SMALL)
    assert explanation.shown is not None
    torch.testing.assert_close(explanation.shown.inputs, want)
    assert explanation.map is not None
    assert explanation.map.shape == (1, 12, 12)


@pytest.mark.parametrize("named", [str, Path])
def test_a_file_is_upright_and_the_overlay_has_its_size(named: Any, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    photograph().save(tmp_path / "photo.png", exif=exif)
    overlay = explained(named(tmp_path / "photo.png"), SMALL).overlay()
    assert overlay.height == 60
    assert overlay.width > 40  # and the colour bar


def test_a_picture_of_pillow_is_upright_as_its_file_is(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    photograph().save(tmp_path / "photo.jpg", exif=exif)
    of_file = explained(tmp_path / "photo.jpg", SMALL)
    for picture in (Image.open(tmp_path / "photo.jpg"), Image.open(tmp_path / "photo.jpg").convert("RGB")):
        for transform in (SMALL, TENSOR):
            explanation = explained(picture, transform)
            assert explanation.mask()[0].shape == (60, 40)
            assert explanation.overlay(picture).height == 60
        assert torch.equal(explained(picture, SMALL).maps["body"], of_file.maps["body"])


def test_of_a_jpeg_that_was_decoded_at_a_part_of_its_size_boxes_and_masks_are_in_pixels_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xaikit.bench.decode.decode, "__defaults__", (3, 80 * 200 - 1))
    pixels = np.zeros((80, 200, 3), np.uint8)
    pixels[32:48, 96:112] = 255
    Image.fromarray(pixels).save(tmp_path / "large.jpg", quality=100)
    transform = Transform(40, 40)
    explanation = xaikit.explain(red(), tmp_path / "large.jpg", "hirescam", transform=transform, layers="0", target=0)
    one = explanation["hirescam"]
    assert one.shown is not None
    assert one.shown.window(0).picture.size == (100, 40)
    (box,) = one.boxes(0.5, keep="largest")
    torch.testing.assert_close(box, torch.tensor([[96.0, 32, 112, 48]]), rtol=0, atol=2.1)
    (mask,) = one.mask()
    assert mask.shape == (80, 200)
    assert mask[40, 104]
    assert not mask[:, :90].any()
    drawn = np.asarray(one.overlay(Image.fromarray(pixels), alpha=1.0))
    assert (drawn[:, :50] == 0).all(), "it lies on the file where it lies on the smaller one"
    Image.fromarray(pixels).save(tmp_path / "large.png")
    with pytest.raises(DataError, match=r"or give xaikit\.explain the picture that Pillow opens"):
        explained(tmp_path / "large.png", SMALL)
    assert explained(Image.open(tmp_path / "large.png"), SMALL).mask()[0].shape == (80, 200)


def test_grey_transparent_and_deep_pictures_are_what_a_run_makes_of_them() -> None:
    grey, clear = photograph().convert("L"), photograph().convert("RGBA")
    explanation = explained([grey, clear, photograph()], SMALL)
    assert explanation.shown is not None
    assert explanation.shown.inputs.shape == (3, 3, 12, 12)
    torch.testing.assert_close(explanation.shown.inputs[1], explanation.shown.inputs[2])


def test_every_way_to_say_imagenet_is_one() -> None:
    weights = models.ResNet18_Weights.DEFAULT
    steps = [transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    nested = transforms.Compose([nn.Sequential(*steps[:2]), transforms.Compose(steps[2:])])
    ways = [weights, weights.transforms(), transforms.Compose(steps), nested]
    want = explained(photograph(), "imagenet")
    assert want.shown is not None
    for way in ways:
        explanation = explained(photograph(), way)
        assert explanation.shown is not None
        torch.testing.assert_close(explanation.shown.inputs, want.shown.inputs)
        assert explanation.shown.window(0).box == want.shown.window(0).box


def geometry(transform: Any, size: tuple[int, int]) -> Any:
    shown = explained(photograph(*size), transform).shown
    assert shown is not None
    return None if shown.windows is None else shown.windows[0].box


TENSOR = transforms.ToTensor()


@pytest.mark.parametrize(
    ("transform", "box"),
    [
        (Transform(16, 12), (15, 5, 45, 35)),  # 60 x 40 becomes 24 x 16
        (Transform((20, 20), 20), (0, 0, 60, 40)),
        (Transform(20, 30), (0, -10, 60, 50)),
        (TENSOR, (0, 0, 60, 40)),
        (transforms.Compose([transforms.Resize((8, 8)), TENSOR]), (0, 0, 60, 40)),
        (transforms.Compose([transforms.CenterCrop(20), TENSOR]), (20, 10, 40, 30)),
        (
            transforms.Compose([transforms.Resize(20, max_size=24), transforms.CenterCrop((16, 12)), TENSOR]),
            (15, 0, 45, 40),
        ),
        (
            transforms.Compose([transforms.CenterCrop(40), transforms.Resize(10), transforms.CenterCrop(5), TENSOR]),
            (18, 8, 38, 28),
        ),
        (v2.Compose([v2.Resize(20), v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]), (0, 0, 60, 40)),
        (transforms.Compose([transforms.RandomCrop(20), TENSOR]), None),
        (lambda picture: TENSOR(picture), None),
    ],
)
def test_where_the_model_looks_is_known_of_resizing_and_cropping(transform: Any, box: Any) -> None:
    got = geometry(transform, (60, 40))
    assert got == box if box is None else got == pytest.approx(box, abs=0.51)


@pytest.mark.parametrize("size", [(60, 40), (41, 97), (30, 30), (25, 200)])
@pytest.mark.parametrize("transform", [Transform(16, 12), Transform(32, (20, 28)), Transform((24, 40), 16)])
def test_the_window_holds_what_the_model_saw(transform: Transform, size: tuple[int, int]) -> None:
    """A smooth picture, so that resizing and cropping are seen to agree with cutting the window out."""
    across, down = np.meshgrid(np.linspace(0, 255, size[0]), np.linspace(0, 255, size[1]))
    picture = Image.fromarray(np.stack([across, down, 0 * down], -1).astype(np.uint8))
    seen = transform.picture(picture)
    cut = picture.resize(seen.size, Image.Resampling.BILINEAR, box=transform.window(size))
    assert np.abs(np.asarray(seen, float) - np.asarray(cut, float)).max() <= 4


def test_the_map_lies_over_the_place_that_it_is_a_map_of() -> None:
    """A red spot on black, a net that looks at red alone: box and mask are where the spot is in the file."""
    pixels = np.zeros((80, 200, 3), np.uint8)
    pixels[30:40, 110:130, 0] = 255
    explanation = xaikit.explain(
        red(), Image.fromarray(pixels), "hirescam", transform=Transform(80, 80), layers="0", target=0
    )
    (box,) = explanation["hirescam"].boxes(keep="largest")
    assert box.tolist() == [[110, 30, 130, 40]]
    (mask,) = explanation["hirescam"].mask()
    assert mask.shape == (80, 200)
    assert (mask.numpy() == (pixels[..., 0] > 0)).all()
    drawn = np.asarray(explanation["hirescam"].overlay(alpha=1.0))
    assert (drawn[:, :50] == 0).all(), "outside of the crop it is the picture"
    assert (drawn[35, 120] != drawn[60, 120]).any()


def red() -> nn.Module:
    first = nn.Conv2d(3, 1, 1, bias=False)
    net = nn.Sequential(first, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2))
    with torch.no_grad():
        first.weight.copy_(torch.tensor([1.0, 0, 0]).reshape(1, 3, 1, 1))
        net[-1].weight.copy_(torch.tensor([[1.0], [-1.0]]))
    return net


def test_where_nobody_knows_the_window_what_the_model_received_is_shown_and_said() -> None:
    explanation = explained(photograph(), lambda picture: transforms.functional.rotate(TENSOR(picture), 90))
    assert explanation.shown is not None
    assert "transform does not tell" in explanation.shown.note
    assert explanation.overlay().height == 40
    assert "transform does not tell" in repr(explanation)


def square(picture: Image.Image) -> Tensor:
    return TENSOR(picture.resize((8, 8)))


@pytest.mark.parametrize("wrapped", [lambda x: x, lambda x: x[None], lambda x: x.numpy(), lambda x: x.double()])
def test_a_callable_may_return_an_array_or_a_batch_of_one(wrapped: Any) -> None:
    assert explained([photograph()] * 2, lambda picture: wrapped(square(picture))).maps["body"].shape == (2, 8, 8)


@pytest.mark.parametrize(
    ("pictures", "transform", "error", "message"),
    [
        (photograph(), "imgnet", ConfigError, "transform: there is no 'imgnet'; did you mean 'imagenet'"),
        (
            photograph(),
            3,
            ConfigError,
            "transform: expected 'imagenet', a callable or the weights of torchvision, got int",
        ),
        ({"x": photograph()}, "imagenet", ConfigError, "expected pictures for the transform: .* got dict"),
        ([], "imagenet", ConfigError, "expected one picture at least, got none"),
        (
            [photograph(), photograph(9, 9)],
            TENSOR,
            ConfigError,
            r"expected tensors of one shape, .* got \(3, 40, 60\), \(3, 9, 9\)",
        ),
        (
            torch.randn(3, 8, 8),
            "imagenet",
            ConfigError,
            r"floats in \[0, 1\], .* normalized already needs no transform",
        ),
        (torch.rand(5, 8, 8), "imagenet", DataError, "expected 3 channels"),
        (np.zeros((0, 9, 3), np.uint8), "imagenet", ConfigError, r"expected pictures, got one of size \(0, 9, 3\)"),
        (Image.new("RGB", (0, 9)), "imagenet", ConfigError, r"expected pictures, got one of size \(0, 9\)"),
        (
            [photograph(), Image.new("F", (9, 9), 3.0)],
            "imagenet",
            ConfigError,
            "inputs: picture 1: expected grey values between 0 and 1, got 3.0",
        ),
        (photograph(), lambda picture: None, ConfigError, r"expected a tensor \(channels, H, W\), got NoneType"),
        (
            photograph(),
            lambda picture: {"pixel_values": [1]},
            ConfigError,
            "got dict with pixel_values; of a processor explain",
        ),
        ("nowhere.jpg", "imagenet", DataError, "nowhere.jpg: No such file"),
    ],
)
def test_what_is_no_picture_or_no_transform_is_refused(pictures: Any, transform: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        explained(pictures, transform)


def test_a_file_that_is_no_picture_is_named_and_the_nearest_one_to_a_missing_one(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_text("no picture")
    with pytest.raises(DataError, match=r"photo\.jpg: expected a picture"):
        explained(tmp_path / "photo.jpg", "imagenet")
    with pytest.raises(DataError, match=r"did you mean 'photo\.jpg'"):
        explained(tmp_path / "foto.jpg", "imagenet")


def test_what_a_transform_raises_is_its_own_with_the_place() -> None:
    def broken(picture: Any) -> Tensor:
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine") as caught:
        explained(photograph(), broken)
    assert caught.value.__notes__ == ["raised by transform on picture 0"]


ALONE = """
import sys, torch, xaikit
from torch.nn import *
net = Sequential(Conv2d(3, 4, 3), ReLU(), AdaptiveAvgPool2d(1), Flatten(), Linear(4, 5))
explained = xaikit.explain(net, torch.rand(1, 3, 16, 16))["gradcam"]
explained.overlay()
assert "torchvision" not in sys.modules, "imported"
"""


def test_a_model_of_ones_own_needs_no_torchvision() -> None:
    subprocess.run([sys.executable, "-c", ALONE], check=True)
