"""Mosaics: where the cells lie, and which of them a map of the explained class lies on."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from xaikit.testing.judged import judged
from xaikit_cams.hirescam import HiResCAM
from xaikit_cams.uniform import Uniform
from xaikit_metrics._mosaic import cell, mosaic
from xaikit_metrics.gridpg import GridPointing, _placed

SIDE = 16


class Colours(nn.Module):
    """Scores each channel by how much of it there is: the explained class lies on the photograph of that colour alone."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv2d(4, 4, 1, bias=False)
        with torch.no_grad():
            self.features.weight.copy_(20 * torch.eye(4)[:, :, None, None])

    def forward(self, inputs: Tensor) -> Tensor:
        return self.features(inputs).mean((2, 3))


def coloured(*colours: int) -> Tensor:
    images = torch.zeros(len(colours), 4, SIDE, SIDE)
    for image, colour in zip(images, colours, strict=True):
        image[colour] = 1
    return images


def test_photographs_lie_row_by_row() -> None:
    tiles = torch.arange(9.0).reshape(1, 9, 1, 1, 1).expand(2, 9, 1, 2, 4)
    whole = mosaic(tiles, 3)
    assert whole.shape == (2, 1, 6, 12)
    for place in range(9):
        where = cell(torch.tensor([place, place]), 3, (6, 12))
        assert int(where.sum()) == 2 * 8
        assert bool((whole[where] == place).all())


def test_the_photograph_lies_at_its_place_and_the_others_in_their_order() -> None:
    image, others = torch.zeros(4, 1, 2, 2), torch.arange(1.0, 4).reshape(1, 3, 1, 1, 1).expand(4, 3, 1, 2, 2)
    tiles = _placed(image, others, torch.arange(4))[..., 0, 0, 0]
    assert tiles.tolist() == [[0, 1, 2, 3], [1, 0, 2, 3], [1, 2, 0, 3], [1, 2, 3, 0]]


@pytest.mark.parametrize("size", ["input", "full"])
def test_a_map_that_is_right_lies_on_its_cell_and_one_that_knows_nothing_is_at_chance(size: str) -> None:
    images, maps = coloured(0, 0, 0), torch.rand(3, SIDE, SIDE)
    about = {"layer": "features", "others": coloured(1, 2, 3)}
    metric = GridPointing(size=size)  # type: ignore[arg-type]
    for each in judged(metric, Colours(), images, maps, method=HiResCAM(), **about):  # type: ignore[arg-type]
        assert each.value > (0.9 if size == "input" else 0.99)
        assert each.chance == 0.25
    blind = judged(metric, Colours(), images, maps, method=Uniform(), **about)  # type: ignore[arg-type]
    assert [each.value for each in blind] == pytest.approx([0.25] * 3)


def test_a_photograph_that_the_model_is_not_sure_of_has_no_value() -> None:
    unsure = torch.full((1, 4, SIDE, SIDE), 0.1)
    about = {"method": HiResCAM(), "layer": "features", "others": coloured(1, 2, 3)}
    (measured,) = judged(GridPointing(), Colours(), unsure, torch.rand(1, SIDE, SIDE), **about)  # type: ignore[arg-type]
    assert math.isnan(measured.value)
    assert measured.reason == "the probability of the explained class is below 0.5"
    assert measured.chance == 0.25


def test_the_draws_are_of_the_photograph_and_batches_change_nothing() -> None:
    images, maps, ids = coloured(0, 1, 2, 3, 0, 1), torch.rand(6, SIDE, SIDE), list("abcdef")
    about = {"method": HiResCAM(), "layer": "features", "others": torch.rand(3, 4, SIDE, SIDE)}
    metric = GridPointing(confidence=0)
    together = judged(metric, Colours(), images, maps, ids=ids, **about)  # type: ignore[arg-type]
    for place in range(6):
        (alone,) = judged(metric, Colours(), images[[place]], maps[[place]], ids=[ids[place]], **about)  # type: ignore[arg-type]
        assert alone.value == pytest.approx(together[place].value, abs=1e-6)
