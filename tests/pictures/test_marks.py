from collections import Counter

import numpy as np
import pytest
from PIL import Image

from xaikit.pictures.marks import LINE, PAPER, Box, Outline, PictureMark, Words

SIZE = (90, 60)


def drawn(mark: PictureMark) -> np.ndarray:
    picture = Image.new("RGB", SIZE, (90, 120, 60))
    mark.draw(picture)
    return np.array(picture)


def where(pixels: np.ndarray, colour: tuple[int, int, int]) -> set[tuple[int, int]]:
    rows, columns = np.nonzero((pixels == colour).all(-1))
    return set(zip(columns.tolist(), rows.tolist(), strict=True))


def test_a_box_is_framed_where_it_is() -> None:
    pixels = drawn(Box((20, 25, 60, 50)))
    white = where(pixels, LINE)
    assert {(20, 25), (60, 25), (20, 50), (60, 50), (40, 25)} <= white
    assert (pixels[35, 40] == (90, 120, 60)).all(), "its inside is left alone"


@pytest.mark.parametrize("corners", [(-30, -5, 500, 400), (200, 200, 300, 300), (10, 10, 10, 10), (60, 50, 20, 25)])
def test_a_box_beyond_the_picture_is_cut_off(corners: tuple[float, float, float, float]) -> None:
    assert drawn(Box(corners, "cat 0.98")).shape == (60, 90, 3)


def test_the_words_of_a_box_stand_above_it_and_inside_where_there_is_no_room() -> None:
    assert min(y for _, y in where(drawn(Box((20, 30, 60, 50), "cat")), PAPER)) < 30
    assert min(y for _, y in where(drawn(Box((20, 2, 60, 50), "cat")), PAPER)) >= 2


def test_words_stay_in_the_picture() -> None:
    pixels = drawn(Words("a very long name of a class that nobody can read " * 3, (80, 55)))
    assert where(pixels, PAPER)
    assert where(drawn(Words("日本")), PAPER), "letters that the font has not are marked"


def test_a_mask_is_outlined_at_the_size_of_the_picture() -> None:
    mask = np.zeros((6, 9), bool)
    mask[2:4, 3:6] = True
    pixels = drawn(Outline(mask))
    white = where(pixels, LINE)
    assert (min(x for x, _ in white), max(x for x, _ in white)) == (30, 59)
    assert (min(y for _, y in white), max(y for _, y in white)) == (20, 39)
    assert (pixels[30, 45] == (90, 120, 60)).all()
    assert Counter(map(tuple, drawn(Outline(np.zeros((6, 9), bool), "none")).reshape(-1, 3).tolist())) == {
        (90, 120, 60): 5400
    }
