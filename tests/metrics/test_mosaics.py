"""Mosaics: where the cells lie, and which of them a map of the explained class lies on."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from xaikit.engine import Batch, Request
from xaikit.evaluation.cases import Case
from xaikit.evaluation.judged import ChosenClasses, judged
from xaikit.evaluation.judging import Judge, Measure, Setting
from xaikit.evaluation.policies import digest_of
from xaikit.evidence.taps import Tap
from xaikit.passes.tally import Tally
from xaikit_cams.elementcam import ElementCAM
from xaikit_cams.gradcam import GradCAM
from xaikit_cams.hirescam import HiResCAM
from xaikit_cams.layercam import LayerCAM
from xaikit_cams.uniform import Uniform
from xaikit_metrics._cellwise import cells, differs, disconnect, joined
from xaikit_metrics._mosaic import cell, mosaic
from xaikit_metrics.difull import DiFull
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


class Pooled(nn.Module):
    """Convolutions with padding, pooling of both kinds, and a squeeze and excitation between."""

    def __init__(self, mixing: str = "", seed: int = 0) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(4, 8, 3, 2, 1), nn.ReLU(), nn.MaxPool2d(3, 1, 1))
        self.gate = nn.Conv2d(8, 8, 1)
        self.features = nn.Sequential(nn.Conv2d(8, 6, 3, 1, 1), nn.BatchNorm2d(6), nn.ReLU())
        self.head = nn.Linear(6 * (16 if mixing == "flat" else 1), 5)
        self.mixing = mixing
        draw = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for value in self.parameters():
                value.copy_(torch.randn(value.shape, generator=draw))

    def forward(self, inputs: Tensor) -> Tensor:
        values = self.stem(inputs)
        values = values * self.gate(nn.functional.adaptive_avg_pool2d(values, 1)).sigmoid()
        values = self.features(values)
        if self.mixing == "roll":
            values = values.roll(2, 3)
        if self.mixing == "small" and inputs.shape[2] != SIDE:
            raise ValueError("too large")
        if self.mixing == "flat":
            return self.head(nn.functional.adaptive_avg_pool2d(values, 4).relu().flatten(1))  # type: ignore[no-any-return]
        return self.head(values.mean([2, 3]))  # type: ignore[no-any-return]


@pytest.mark.parametrize("mixing", ["", "flat"])
def test_a_copy_on_a_mosaic_answers_for_its_first_cell_alone(mixing: str) -> None:
    net, images = Pooled(mixing).eval(), torch.rand(3, 4, 4, SIDE, SIDE)
    alone = net(images[:, 0]).detach()
    whole = mosaic(images, 2).requires_grad_()
    assert torch.equal(joined(cells(whole, 2), 2), whole)
    assert differs(net(whole).detach(), alone).all()
    disconnect(net, 2)
    output = net(whole)
    assert torch.allclose(output, alone, rtol=1e-5)
    (gradient,) = torch.autograd.grad(output.sum(), whole)
    elsewhere = ~cell(torch.zeros(3, dtype=torch.long), 2, (2 * SIDE, 2 * SIDE)).expand_as(gradient)
    assert not gradient[elsewhere].any(), "nothing else has a part in the score"


ABOUT = {"layer": "features", "others": torch.rand(3, 4, SIDE, SIDE, generator=torch.Generator().manual_seed(1))}


def disconnected(method: object, mixing: str = "") -> list[Measure]:
    draw = torch.Generator().manual_seed(0)
    images, maps = torch.rand(4, 4, SIDE, SIDE, generator=draw), torch.rand(4, SIDE // 2, SIDE // 2, generator=draw)
    net = Pooled(mixing).eval()
    measured = judged(DiFull(confidence=0), net, images, maps, method=method, **ABOUT)  # type: ignore[arg-type]
    assert "forward" not in vars(net), "the user's model is out of reach"
    return measured


@pytest.mark.parametrize("method", [HiResCAM(), LayerCAM(), ElementCAM()], ids=lambda method: type(method).__name__)
def test_methods_that_weigh_each_place_put_nothing_on_what_had_no_part(method: object) -> None:
    assert [each.value for each in disconnected(method)] == [1] * 4


def test_weights_of_whole_channels_leak_into_what_had_no_part() -> None:
    assert all(each.value < 0.9 for each in disconnected(GradCAM()))
    blind = disconnected(Uniform())
    assert [each.value for each in blind] == pytest.approx([0.25] * 4)
    assert [each.chance for each in blind] == [0.25] * 4


def test_where_places_are_mixed_unseen_there_is_no_value() -> None:
    for each in disconnected(HiResCAM(), "roll"):
        assert math.isnan(each.value)
        assert each.reason == "the copy on the mosaic does not answer as the model does for the photograph alone"


class Scaled(Colours):
    """Takes a number beside the photograph."""

    def forward(self, inputs: Tensor, scale: Tensor) -> Tensor:
        return super().forward(inputs) * scale


def test_a_model_of_several_inputs_has_no_value_and_says_so() -> None:
    images, target = coloured(0, 0), ChosenClasses()
    setting = Setting(
        model=Scaled(),
        batch=Batch((images, torch.ones(2, 1)), ("a", "b")),
        requests={"judged": Request("judged", "judged", HiResCAM(), (Tap("features"),), target, None, 0)},
        black=torch.zeros(4, 1, 1),
        annotations=[None] * 2,
        others=lambda case, count, purpose: coloured(1, 2, 3),
        output="auto",
        mode="eval",
        precision="float32",
        seed=0,
        tally=Tally(),
    )
    maps = torch.rand(2, SIDE, SIDE)
    cases = [
        Case(row, 0, 0, (each,), each, digest_of(each), False, True, {"evidence": "judged"})
        for row, each in enumerate(maps)
    ]
    for _, measure in Judge(setting).judge(DiFull(), "difull", cases):
        assert math.isnan(measure.value)
        assert measure.reason.startswith("the model does not take a mosaic as its only input: TypeError: ")
    assert all(measure.value > 0.9 for _, measure in Judge(setting).judge(GridPointing(), "gridpg", cases))


def test_a_model_of_one_size_alone_has_no_value() -> None:
    reasons = {each.reason for each in disconnected(HiResCAM(), "small")}
    assert reasons == {"the model does not take a mosaic as its only input: ValueError: too large"}
