from typing import get_type_hints

import numpy as np
import pytest
import torch

from xaikit.pictures.colors import COLORMAPS, NOT_FINITE, table
from xaikit.schema.sections import ReportConfig


def sequential() -> torch.Tensor:
    return torch.from_numpy(table("sequential"))


def diverging() -> torch.Tensor:
    return torch.from_numpy(table("diverging"))


def lightness(table: torch.Tensor) -> torch.Tensor:
    """CIE L*, by another road than the tables were made."""
    share = table.double() / 255
    linear = torch.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    y = linear @ torch.tensor([0.2126, 0.7152, 0.0722], dtype=torch.float64)
    return torch.where(y > 216 / 24389, 116 * y ** (1 / 3) - 16, y * 24389 / 27)


def test_tables_are_256_colours() -> None:
    for name in COLORMAPS:
        assert table(name).shape == (256, 3)
        assert table(name).dtype == np.uint8
    assert get_type_hints(ReportConfig)["colormap"].__args__ == ("auto", *COLORMAPS), "what a config may say"


@pytest.mark.parametrize(
    ("name", "low", "middle", "high"),
    [
        ("gray", (0, 0, 0), (128, 128, 128), (255, 255, 255)),
        ("jet", (0, 0, 128), (128, 255, 128), (128, 0, 0)),
        ("viridis", (68, 1, 84), (33, 145, 140), (253, 231, 37)),
    ],
)
def test_tables_that_others_know_are_theirs(
    name: str, low: tuple[int, ...], middle: tuple[int, ...], high: tuple[int, ...]
) -> None:
    ours = table(name).astype(int)
    for place, colour in ((0, low), (128, middle), (255, high)):
        assert np.abs(ours[place] - colour).max() <= 5, (name, place, ours[place])


def test_a_table_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match=r"colormap: expected one of auto, sequential, .*, got 'rainbow'"):
        table("rainbow")


def test_more_is_lighter_in_the_sequential_table() -> None:
    levels = lightness(sequential())
    assert (levels[4:] > levels[:-4]).all()
    steps = levels[16::16] - levels[:-16:16]
    assert steps.max() / steps.min() < 2, "equal steps of the map look about equal"
    assert levels[-1] - levels[0] > 80


def test_the_diverging_table_is_lightest_at_zero_and_as_dark_at_both_ends() -> None:
    levels = lightness(diverging())
    assert (levels[4:128] > levels[:124]).all()
    assert (levels[132:] < levels[128:-4]).all()
    assert abs(levels[0] - levels[-1]) < 6
    assert (diverging()[127:129].int().amin(-1) > 235).all(), "the middle is near white"


def test_neighbours_are_close_and_not_finite_is_far_from_all() -> None:
    for colours in (sequential().int(), diverging().int()):
        assert (colours[1:] - colours[:-1]).abs().max() <= 6
        assert (colours - torch.tensor(NOT_FINITE)).pow(2).sum(-1).sqrt().min() > 90
