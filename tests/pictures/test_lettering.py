import pytest
from PIL import Image, ImageDraw

from xaikit.pictures.lettering import INK, font, legible, length, shortened, wrapped, write


def test_every_letter_left_is_in_the_font() -> None:
    missing = bytes(font(20).getmask("\uffff"))
    for char in legible("".join(map(chr, range(32, 127))) + "…"):
        assert char == " " or bytes(font(20).getmask(char)) != missing


def test_hostile_text_becomes_one_legible_line() -> None:
    assert legible("a\nb\tc\x00\u202e日é…\udcff") == "a b c???e…?"


def test_short_text_stays_and_long_text_loses_its_middle() -> None:
    assert shortened("cat.jpg", 14, 200) == "cat.jpg"
    short = shortened("n01440764/ILSVRC2012_val_00000293_a_very_long_name.JPEG", 14, 200)
    assert length(short, 14) <= 200
    assert short.startswith("n01440764/")
    assert short.endswith(".JPEG")
    assert short.count("…") == 1


def test_nothing_is_wider_than_it_may_be() -> None:
    assert all(length(line, 14) <= 120 for line in wrapped("W" * 40 + " and some words after it", 14, 120, most=3))


def test_wrapped_text_ends_at_its_last_line_without_losing_the_end() -> None:
    lines = wrapped("layer4: zero gradients; " * 12 + "the end", 14, 220, most=3)
    assert len(lines) == 3
    assert lines[-1].endswith("the end")
    assert wrapped("", 14, 220, most=3) == []


@pytest.mark.parametrize("size", [8, 14, 28])
def test_text_is_drawn_in_its_ink(size: int) -> None:
    canvas = Image.new("RGB", (200, 40), "white")
    write(ImageDraw.Draw(canvas), (2, 2), "Hl", size, INK)
    assert min(canvas.convert("L").tobytes()) < 128, "legible, also where the smallest strokes are thinner than a pixel"
