import contextlib
import io
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from xaikit.bench.decode import decode
from xaikit.errors import DataError

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
# what a viewer does to the stored picture, by the EXIF standard: rows and columns of the upright one
UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: a[::-1].transpose(1, 0, 2),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: a[:, ::-1].transpose(1, 0, 2),
}


def encoded(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def pixels(data: bytes) -> np.ndarray:
    image = decode(data, "picture")
    assert image.mode == "RGB"
    return np.asarray(image)


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP"])
def test_orientation_is_obeyed(orientation, format):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if format == "WEBP" else {}
    data = encoded(Image.fromarray(PIXELS), format, exif=exif, **options)
    assert np.array_equal(pixels(data), UPRIGHT[orientation](PIXELS))


def test_orientation_of_a_jpeg():
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(Image.fromarray(PIXELS), "JPEG", exif=exif)
    assert decode(data, "picture").size == (6, 9)


def test_rgb_is_returned_as_it_is():
    assert np.array_equal(pixels(encoded(Image.fromarray(PIXELS))), PIXELS)


def test_grey_has_three_equal_channels():
    grey = PIXELS[..., 0]
    assert np.array_equal(pixels(encoded(Image.fromarray(grey))), np.stack([grey] * 3, -1))


def test_black_and_white():
    decoded = pixels(encoded(Image.fromarray(PIXELS[..., 0]).convert("1", dither=Image.Dither.NONE)))
    assert np.array_equal(decoded[..., 0], np.where(PIXELS[..., 0] > 127, 255, 0))


def test_alpha_lies_on_white():
    alpha = np.full((6, 9, 1), 51, np.uint8)  # a fifth
    decoded = pixels(encoded(Image.fromarray(np.concatenate([PIXELS, alpha], -1), "RGBA")))
    assert np.abs(decoded - (0.2 * PIXELS + 0.8 * 255)).max() <= 1


def test_grey_with_alpha_lies_on_white():
    decoded = pixels(encoded(Image.merge("LA", [Image.new("L", (2, 1), 0), Image.frombytes("L", (2, 1), b"\x00\xff")])))
    assert decoded[0, :, 0].tolist() == [255, 0]


@pytest.mark.parametrize("transparency", [0, b"\x00\xff"])
def test_palette_with_transparency_lies_on_white(transparency):
    image = Image.frombytes("P", (2, 1), b"\x00\x01")
    image.putpalette([10, 20, 30, 40, 50, 60])
    decoded = pixels(encoded(image, transparency=transparency))
    assert decoded[0].tolist() == [[255, 255, 255], [40, 50, 60]]


def test_rgb_with_a_transparent_colour_lies_on_white():
    image = Image.fromarray(np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8))
    assert pixels(encoded(image, transparency=(1, 2, 3)))[0].tolist() == [[255, 255, 255], [4, 5, 6]]


def test_palette_becomes_its_colours():
    image = Image.frombytes("P", (2, 1), b"\x00\x01")
    image.putpalette([10, 20, 30, 40, 50, 60])
    assert pixels(encoded(image))[0].tolist() == [[10, 20, 30], [40, 50, 60]]


def test_cmyk():
    image = Image.frombytes("CMYK", (3, 1), bytes([0, 0, 0, 0, 0, 0, 0, 255, 255, 0, 0, 0]))
    assert pixels(encoded(image, "TIFF"))[0].tolist() == [[255, 255, 255], [0, 0, 0], [0, 255, 255]]


def test_cmyk_jpeg_is_not_inverted():
    decoded = pixels(encoded(Image.new("CMYK", (16, 16), (0, 0, 0, 0)), "JPEG"))
    assert decoded.min() >= 250


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_sixteen_bit_grey_is_scaled_by_its_range(format):
    values = np.array([[0, 257, 32896, 65535, 128, 129]], np.uint16)
    assert pixels(encoded(Image.fromarray(values), format))[0, :, 0].tolist() == [0, 1, 128, 255, 0, 1]


def test_big_endian_sixteen_bit_grey():
    image = Image.frombytes("I;16B", (2, 1), b"\xff\xff\x80\x80")
    assert pixels(encoded(image, "TIFF"))[0, :, 0].tolist() == [255, 128]


def test_integer_grey_is_scaled_as_sixteen_bit():
    image = Image.fromarray(np.array([[0, 257, 65535]], np.int32))
    assert image.mode == "I"
    assert pixels(encoded(image, "TIFF"))[0, :, 0].tolist() == [0, 1, 255]


def test_float_grey_between_nought_and_one():
    image = Image.fromarray(np.array([[0, 0.5, 1]], np.float32))
    assert pixels(encoded(image, "TIFF"))[0, :, 0].tolist() == [0, 128, 255]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([[0, 70000]], np.int32), "between 0 and 65535, got 0 to 70000"),
        (np.array([[0, 200]], np.float32), "between 0 and 1, got 0.0 to 200.0"),
        (np.array([[0, np.nan]], np.float32), "between 0 and 1, got nan to nan"),
    ],
)
def test_grey_out_of_range_is_refused(values, message):
    with pytest.raises(DataError, match=f"deep.tif: .*{message}"):
        decode(encoded(Image.fromarray(values), "TIFF"), "deep.tif")


def test_the_first_of_several_frames():
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert pixels(data)[0, 0].tolist() == [255, 0, 0]


def test_empty():
    with pytest.raises(DataError, match=r"^a\.jpg: expected a picture, got an empty file \(0 bytes\)$"):
        decode(b"", "a.jpg")


def test_no_picture():
    with pytest.raises(DataError, match=r"^notes\.jpg: expected a picture, got 5 bytes of no format"):
        decode(b"hello", "notes.jpg")


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "GIF", "BMP"])
def test_cut_short(format):
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), format)
    with pytest.raises(DataError, match=r"^cut\.img: cannot be read as a picture") as caught:
        decode(data[: len(data) // 2], "cut.img")
    assert caught.value.__cause__ is not None


def test_a_picture_of_too_many_pixels_names_the_setting_that_allows_it():
    message = r"^bomb\.png: 9 x 6 pixels are more than 53, .* write data: \{max_pixels: 54\}, or give .*Pillow opens$"
    with pytest.raises(DataError, match=message):
        decode(encoded(Image.fromarray(PIXELS)), "bomb.png", max_pixels=53)
    assert decode(encoded(Image.fromarray(PIXELS)), "bomb.png", max_pixels=54).size == (9, 6)


@pytest.mark.parametrize(
    ("limit", "size"), [(64 * 40, (64, 40)), (64 * 40 - 1, (32, 20)), (16 * 10, (16, 10)), (40, (8, 5))]
)
def test_a_jpeg_of_too_many_is_decoded_at_reduced_size(limit, size):
    ramp = np.broadcast_to(np.linspace(0, 255, 64, dtype=np.uint8)[None, :, None], (40, 64, 3))
    picture = decode(encoded(Image.fromarray(np.ascontiguousarray(ramp)), "JPEG"), "large.jpg", max_pixels=limit)
    assert picture.size == size
    expected = Image.fromarray(np.ascontiguousarray(ramp)).resize(size, Image.Resampling.BOX)
    assert np.abs(np.asarray(picture, int) - np.asarray(expected, int)).mean() < 4


def test_a_jpeg_that_no_reduction_makes_small_enough_is_refused():
    with pytest.raises(DataError, match=r"large\.jpg: 60 x 40 pixels are more than 30, "):
        decode(encoded(Image.new("RGB", (60, 40)), "JPEG"), "large.jpg", max_pixels=30)


def test_pillows_own_limit_stands_as_before_and_plays_no_part(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    assert decode(encoded(Image.fromarray(PIXELS)), "a.png").size == (9, 6)
    assert Image.MAX_IMAGE_PIXELS == 20


def test_damaged_exif_does_not_hide_the_picture():
    data = encoded(Image.fromarray(PIXELS), exif=b"Exif\x00\x00II*\x00\x08\x00\x00\x00\xff\xff garbage")
    assert np.array_equal(pixels(data), PIXELS)


@settings(deadline=None)
@given(st.sampled_from(["PNG", "JPEG", "GIF", "TIFF", "WEBP"]), st.integers(0, 400), st.binary(min_size=1, max_size=8))
def test_damaged_bytes_give_a_picture_or_a_data_error(format, place, junk):
    data = bytearray(encoded(Image.fromarray(PIXELS), format))
    place %= len(data)
    data[place : place + len(junk)] = junk
    with contextlib.suppress(DataError):
        assert decode(bytes(data), "damaged").mode == "RGB"


def test_threads_leave_the_warning_filters_alone():
    before = list(warnings.filters)
    data = encoded(Image.fromarray(PIXELS))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: decode(data, "picture"), range(200)))
    assert list(warnings.filters) == before
