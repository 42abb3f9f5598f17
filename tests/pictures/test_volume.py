"""Slices of a volume in rows, and maps that lie on them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from xaikit.pictures.spaces import frames_of_map, overlay_of
from xaikit.pictures.volume import apart, below, montage, montage_map, places


def slices(count: int) -> list[Image.Image]:
    return [Image.new("RGB", (6, 4), (place, place, place)) for place in range(count)]


@pytest.mark.parametrize(("count", "size"), [(1, (6, 4)), (3, (18, 4)), (5, (24, 8)), (8, (24, 8)), (30, (24, 8))])
def test_a_map_lies_on_the_slice_that_it_is_of(count: int, size: tuple[int, int]) -> None:
    picture = montage(slices(count))
    assert picture.size == size
    numbered = np.broadcast_to(np.arange(count, dtype=float)[:, None, None], (count, 4, 6))
    laid = montage_map(np.ascontiguousarray(numbered), count, picture)
    shown = np.asarray(picture)[..., 0].astype(float)
    inside = shown != 255
    assert np.array_equal(laid[inside], shown[inside])
    assert set(shown[inside]) == set(map(float, places(count)))


def test_a_coarse_map_is_brought_to_the_slices() -> None:
    laid = montage_map(np.ones((2, 2, 3)), 8, montage(slices(8)))
    assert laid.shape == (8, 24)
    assert np.allclose(laid, 1)


def test_frames_go_below_each_other_and_apart() -> None:
    frames = apart(below(slices(5)), 5)
    assert [frame.getpixel((0, 0)) for frame in frames] == [(place,) * 3 for place in range(5)]
    drawn = frames_of_map(below(slices(5)), np.zeros((5, 4, 6)), colorbar=False)
    assert [frame.size for frame in drawn] == [(6, 4)] * 5


def test_what_is_drawn_goes_by_the_space() -> None:
    picture = Image.new("RGB", (6, 4))
    assert overlay_of(picture, np.zeros((4, 6)), (4, 6), colorbar=False).size == (6, 4)
    assert overlay_of(montage(slices(8)), np.zeros((8, 4, 6)), (8, 4, 6), colorbar=False).size == (24, 8)
