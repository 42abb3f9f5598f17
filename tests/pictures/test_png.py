import importlib.util
import io
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from xaikit.pictures.png import png

DRAW = np.random.default_rng(0)


@pytest.mark.parametrize("channels", [(), (3,)])
@pytest.mark.parametrize("size", [(1, 1), (1, 5), (5, 1), (31, 7), (32, 8), (33, 9), (70, 90)])
def test_every_pixel_comes_back(size: tuple[int, int], channels: tuple[int, ...]) -> None:
    noise = DRAW.integers(0, 256, (*size, *channels), np.uint8)
    smooth = np.add.outer(np.arange(size[0]), np.arange(size[1])).reshape(*size, *(1 for _ in channels))
    for pixels in (noise, np.broadcast_to(smooth, noise.shape).astype(np.uint8), (noise > 127) * np.uint8(255)):
        picture = Image.fromarray(pixels)
        with Image.open(io.BytesIO(png(picture, {}))) as opened:
            assert (opened.mode, opened.format) == (picture.mode, "PNG")
            assert np.array_equal(np.asarray(opened), pixels)


def test_texts_of_any_language_come_back() -> None:
    texts = {"xaikit-file": "overlays/日本.png", "empty": ""}
    with Image.open(io.BytesIO(png(Image.new("RGB", (2, 2)), texts))) as opened:
        opened.load()
        assert opened.info == texts


@pytest.mark.parametrize("mode", ["1", "P", "LA", "RGBA", "CMYK"])
def test_other_pictures_are_of_their_colours_in_rgb(mode: str) -> None:
    picture = Image.new("RGB", (4, 3), (200, 10, 20)).convert(mode)
    with Image.open(io.BytesIO(png(picture, {}))) as opened:
        assert opened.tobytes() == picture.convert("RGB").tobytes()


def test_a_photograph_takes_no_more_bytes_than_pillow_needs() -> None:
    coarse = Image.fromarray(DRAW.integers(0, 256, (40, 40, 3), np.uint8)).resize((240, 240), Image.Resampling.BICUBIC)
    photograph = Image.blend(coarse, Image.fromarray(DRAW.integers(0, 256, (240, 240, 3), np.uint8)), 0.1)
    by_pillow = io.BytesIO()
    photograph.save(by_pillow, "PNG", compress_level=1)
    assert len(png(photograph, {})) < 1.02 * len(by_pillow.getvalue())


def test_a_processor_without_isal_writes_them_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "isal.isal_zlib", None)
    spec = importlib.util.find_spec("xaikit.pictures.png")
    plain = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(plain)
    assert plain.compress is zlib.compress
    picture = Image.fromarray(DRAW.integers(0, 256, (20, 30, 3), np.uint8))
    with Image.open(io.BytesIO(plain.png(picture, {}))) as opened:
        assert opened.tobytes() == picture.tobytes()
