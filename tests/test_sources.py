import hashlib

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from xaikit import ConfigError
from xaikit.bench.fingerprint import digest_of
from xaikit.sources import Photograph, Transform


def noise(height: int, width: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("shape", [(40, 60), (60, 40), (10, 90)])
@pytest.mark.parametrize(("crop", "expected"), [(24, (24, 24)), ((16, 24), (24, 16))])
def test_picture_has_the_size_of_the_crop(shape, crop, expected):
    assert Transform(32, crop).picture(noise(*shape)).size == expected  # PIL says (width, height)


def test_picture_is_the_centre_at_the_resized_scale():
    plain = np.zeros((100, 100, 3), np.uint8)
    plain[25:75, 25:75] = 255
    picture = np.asarray(Transform(50, 20, interpolation="nearest").picture(Image.fromarray(plain)))
    assert picture.min() == 255  # the 50 x 50 picture is white from 12 to 37, its crop lies at 15 to 35


def test_picture_reaches_height_and_width_exactly():
    transform = Transform((30, 20), (30, 20))
    expected = noise(90, 50).resize((20, 30), Image.Resampling.BILINEAR)
    assert np.array_equal(np.asarray(transform.picture(noise(90, 50))), np.asarray(expected))


@pytest.mark.parametrize(
    "sides", [("x", (3, 3)), (-1, 3), ((8, 0), 3), (8, 0), (8, (3,)), (8, "fit"), (8, None), (8.5, 3), (True, 3)]
)
def test_sides_that_are_none_are_refused(sides):
    with pytest.raises(ConfigError, match=r"transform: (size|crop): expected pixels, \(height, width\).* got"):
        Transform(*sides)


def test_tensor_is_normalized():
    transform = Transform(8, 8, mean=(0.5, 0.25, 0.0), std=(0.5, 1.0, 2.0))
    tensor = transform.tensor(Image.new("RGB", (8, 8), (255, 0, 51)))
    assert tensor.shape == (3, 8, 8)
    assert tensor.dtype == torch.float32
    assert torch.allclose(tensor[:, 0, 0], torch.tensor([1.0, -0.25, 0.1]))


def test_digest_of_a_photograph_is_that_of_its_bytes():
    photograph = Photograph("a.jpg", lambda: b"abc")
    assert photograph.digest() == hashlib.sha256(b"abc").hexdigest()
    assert photograph.digest() == Photograph("elsewhere.jpg", lambda: b"abc", 3).digest()


def test_digest_of_a_module_sees_every_parameter_and_buffer():
    with torch.random.fork_rng(devices=[]):
        net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    digests = {digest_of(net)}
    for tensor in net.state_dict().values():
        tensor.view(-1)[0] += 1
        digests.add(digest_of(net))
    assert len(digests) == 1 + len(net.state_dict())


def test_digest_of_a_module_sees_names_and_types():
    ones = nn.Linear(2, 2)
    other = nn.Bilinear(1, 2, 1)
    for module in (ones, other):
        for parameter in module.parameters():
            nn.init.ones_(parameter)
    assert len({digest_of(ones), digest_of(ones.double()), digest_of(other)}) == 3


def test_digest_of_half_precision_and_nothing():
    net = nn.Linear(2, 2).to(torch.bfloat16)
    assert len(digest_of(net)) == len(digest_of(nn.ReLU())) == 64
