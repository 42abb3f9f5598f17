"""Pictures that are small as files and endless when they are resized: each is read cheaply, or fails alone."""

import io

import numpy as np
import pytest
from PIL import Image

from xaikit.bench.loader import Loader, Picture, UnreadablePicture
from xaikit.sources import Photograph, Transform
from xaikit.sources.transform import MOST_PIXELS


def photograph(width: int, height: int) -> Photograph:
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((width, height)).save(buffer, "PNG")
    return Photograph(f"{width}x{height}.png", buffer.getvalue)


@pytest.mark.parametrize("size", [(20_000, 1), (1, 20_000), (3_000_000, 1), (2, 300_000)])
def test_only_what_the_crop_needs_is_resized(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    resize = Image.Image.resize

    def counted(self: Image.Image, size: tuple[int, int], *args: object, **options: object) -> Image.Image:
        made.append(size[0] * size[1])
        return resize(self, size, *args, **options)

    loaded = photograph(*size)
    monkeypatch.setattr(Image.Image, "resize", counted)
    picture = Loader(Transform()).read(loaded)
    assert isinstance(picture, Picture)
    assert picture.pixels.shape == (3, 224, 224)
    assert max(made) <= MOST_PIXELS


@pytest.mark.parametrize("size", [(500, 333), (333, 500), (90, 131), (1000, 100)])
@pytest.mark.parametrize("transform", [Transform(), Transform(64, 96), Transform((256, 300), (224, 100))])
def test_the_middle_alone_is_that_of_the_whole(
    size: tuple[int, int], transform: Transform, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    whole = np.asarray(transform.picture(Image.fromarray(pixels)), dtype=int)
    monkeypatch.setattr("xaikit.sources.transform.MOST_PIXELS", 0)
    middle = np.asarray(transform.picture(Image.fromarray(pixels)), dtype=int)
    assert abs(whole - middle).max() <= 1  # one rounding of colours


@pytest.mark.parametrize(
    "error", [MemoryError("no room"), OverflowError("too large"), RecursionError("too deep"), KeyError("x")]
)
def test_whatever_a_picture_raises_is_its_own_failure(error: Exception) -> None:
    def read() -> bytes:
        raise error

    batches = [[Photograph("bad.png", read), photograph(40, 30)]]
    for workers in (0, 2):
        ((bad, good),) = Loader(Transform(), workers=workers).batches(batches)
        assert isinstance(bad, UnreadablePicture)
        assert bad.error == f"bad.png: {type(error).__name__}: {error}"
        assert isinstance(good, Picture)
