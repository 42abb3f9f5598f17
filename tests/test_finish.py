"""The five stages in their order, and the resize between cell centres."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from helpers.nets import PROPERTY
from xaikit.errors import ConfigError
from xaikit.finish import Finish, finish_maps, resize
from xaikit_finish.fuse.max import Max as FuseMax
from xaikit_finish.fuse.mean import Mean
from xaikit_finish.fuse.product import Product
from xaikit_finish.fuse.sum import Sum
from xaikit_finish.normalize.max import Max
from xaikit_finish.normalize.minmax import MinMax
from xaikit_finish.rectify.abs import Abs
from xaikit_finish.rectify.relu import Relu
from xaikit_finish.resize.input import Input
from xaikit_finish.resize.largest import Largest
from xaikit_finish.resize.size import Size
from xaikit_finish.scale.tanh import Tanh

STRIDES = {"shallow": 2.0, "deep": 8.0}
SPACES = {"coarse": (2, 2), "second": (4, 4), "first": (4, 4), "fine": (8, 8)}
FULL = Finish(Relu(), Max(), Tanh(max_stride=4), Input(), FuseMax())


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def raws(samples: int = 2, targets: int = 1) -> dict[str, Tensor]:
    return {"shallow": normal(samples, targets, 4, 4), "deep": normal(samples, targets, 2, 2, seed=1)}


def close(result: Tensor | None, expected: Tensor) -> bool:
    return result is not None and torch.allclose(result, expected, rtol=1e-12, atol=1e-12)


# --- resize (P22)


@st.composite
def resizings(draw: st.DrawFn) -> tuple[Tensor, tuple[int, ...]]:
    """Maps of one to three dimensions and a size to reach, larger or smaller."""
    rank = draw(st.integers(1, 3))
    sides = st.lists(st.integers(1, 6), min_size=rank, max_size=rank)
    shape, size = draw(sides), draw(st.lists(st.integers(1, 13), min_size=rank, max_size=rank))
    return normal(2, 2, *shape, seed=draw(st.integers(0, 999))), tuple(size)


@PROPERTY
@given(resizings(), st.floats(-1e6, 1e6))
def test_a_constant_map_stays_constant(resizing: tuple[Tensor, tuple[int, ...]], value: float) -> None:
    saliency, size = resizing
    result = resize(torch.full_like(saliency, value), size)
    assert result.shape == (2, 2, *size)
    assert torch.allclose(result, torch.full_like(result, value), rtol=1e-13, atol=0)


@PROPERTY
@given(resizings())
def test_nothing_overshoots(resizing: tuple[Tensor, tuple[int, ...]]) -> None:
    saliency, size = resizing
    result, before = resize(saliency, size).flatten(2), saliency.flatten(2)
    slack = 1e-14
    assert bool((result.amax(-1) <= before.amax(-1) + slack).all())
    assert bool((result.amin(-1) >= before.amin(-1) - slack).all())


@PROPERTY
@given(resizings(), st.data())
def test_a_flip_before_is_a_flip_after(resizing: tuple[Tensor, tuple[int, ...]], data: st.DataObject) -> None:
    saliency, size = resizing
    axes = data.draw(st.sets(st.integers(2, saliency.dim() - 1)).map(sorted))
    assert close(resize(saliency.flip(axes), size), resize(saliency, size).flip(axes))


@PROPERTY
@given(resizings(), st.floats(-3, 3))
def test_it_is_linear_in_the_map(resizing: tuple[Tensor, tuple[int, ...]], factor: float) -> None:
    saliency, size = resizing
    other = saliency.flip(0)
    assert close(resize(saliency + factor * other, size), resize(saliency, size) + factor * resize(other, size))


@pytest.mark.parametrize(("to", "expected"), [(4, [0.0, 0.25, 0.75, 1.0]), (2, [0.0, 1.0]), (1, [0.5])])
def test_it_lies_between_cell_centres(to: int, expected: list[float]) -> None:
    assert resize(torch.tensor([[[0.0, 1.0]]]), (to,)).flatten().tolist() == expected


def test_the_size_it_has_costs_nothing() -> None:
    saliency = normal(1, 1, 3, 4)
    assert resize(saliency, (3, 4)) is saliency


def test_nan_spreads_to_its_neighbours_and_no_further() -> None:
    saliency = torch.zeros(2, 1, 4)
    saliency[0, 0, 0] = torch.nan
    result = resize(saliency, (8,))
    assert result[0, 0].isnan().tolist() == [True] * 3 + [False] * 5
    assert not result[1].isnan().any()


def test_a_size_of_other_dimensions_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        resize(normal(1, 1, 7, 7), (8,))
    assert str(caught.value) == "finish.resize: expected 2 numbers for maps of shape (7, 7), got [8]"


# --- the stages together


def test_a_finish_of_nothing_changes_nothing() -> None:
    maps = raws()
    finished, fused = finish_maps(Finish(), maps, STRIDES, (8, 8))
    assert fused is None
    assert all(torch.equal(finished[layer], maps[layer]) for layer in maps)
    # a finisher may change what it is given: it is given no raw map itself
    assert all(finished[layer].data_ptr() != maps[layer].data_ptr() for layer in maps)


def test_the_stages_come_in_their_order() -> None:
    maps = raws()
    finished, fused = finish_maps(FULL, maps, STRIDES, (8, 8))
    by_hand = {}
    for layer, raw in maps.items():
        positive = raw.clamp_min(0)
        scaled = positive / positive.amax((2, 3), keepdim=True).clamp_min(1e-300)
        bent = (2 * scaled).tanh() if layer == "shallow" else scaled
        by_hand[layer] = torch.nn.functional.interpolate(bent, (8, 8), mode="bilinear", align_corners=False)
        assert close(finished[layer], by_hand[layer])
    assert close(fused, torch.maximum(by_hand["shallow"], by_hand["deep"]))


@dataclass(frozen=True)
class Spy:
    """A stage of every kind that writes down its name and what it was given."""

    calls: list[Any]

    renormalize = True
    signed = True
    drops_negative = False

    def rectify(self, saliency: Tensor) -> Tensor:
        self.calls.append("rectify")
        return saliency

    def normalize(self, saliency: Tensor, space: tuple[int, ...]) -> Tensor:
        self.calls.append(("normalize", space))
        return saliency

    def scale(self, saliency: Tensor, stride: float) -> Tensor:
        self.calls.append(("scale", stride))
        return saliency

    def size(self, maps: Sequence[tuple[int, ...]], inputs: tuple[int, ...]) -> tuple[int, ...]:
        self.calls.append(("size", list(maps), inputs))
        return inputs

    def fuse(self, stack: Tensor) -> Tensor:
        self.calls.append(("fuse", tuple(stack.shape)))
        return stack[0]


def test_every_stage_gets_what_it_is_promised() -> None:
    calls: list[Any] = []
    spy = Spy(calls)
    finish_maps(Finish(spy, spy, spy, spy, spy), raws(2, 3), STRIDES, (8, 8))
    assert calls == [
        *("rectify", ("normalize", (2, 3)), ("scale", 2.0)),
        *("rectify", ("normalize", (2, 3)), ("scale", 8.0)),
        ("size", [(4, 4), (2, 2)], (8, 8)),
        ("fuse", (2, 2, 3, 8, 8)),
        ("normalize", (2, 3)),
    ]


def test_a_fuser_gets_the_layer_of_most_cells_first() -> None:
    maps = {name: torch.full((1, 1, *space), float(value)) for value, (name, space) in enumerate(SPACES.items())}
    assert list(finish_maps(Finish(resize=Input()), maps, dict.fromkeys(maps, 1.0), (8, 8))[0]) == list(maps)
    seen = list[float]()

    class Seeing(FuseMax):
        def fuse(self, stack: Tensor) -> Tensor:
            seen.extend(stack[:, 0, 0, 0, 0].tolist())
            return super().fuse(stack)

    finish_maps(Finish(resize=Input(), fuse=Seeing()), maps, dict.fromkeys(maps, 1.0), (8, 8))
    assert [list(maps)[int(value)] for value in seen] == ["fine", "second", "first", "coarse"]


@pytest.mark.parametrize(("fuse", "peak"), [(Mean(), 1.0), (Sum(), 1.0), (Product(), 1.0)])
def test_what_leaves_the_range_is_normalized_once_more(fuse: Any, peak: float) -> None:
    maps = {layer: raw.abs() + 0.1 for layer, raw in raws().items()}
    finish = Finish(normalize=Max(), scale=Tanh(0.5), resize=Input(), fuse=fuse)
    finished, fused = finish_maps(finish, maps, STRIDES, (8, 8))
    assert fused is not None
    assert fused.amax((2, 3)).eq(peak).all()
    assert all(saliency.amax() < peak for saliency in finished.values())


def test_the_maximum_is_not() -> None:
    _, fused = finish_maps(
        Finish(normalize=Max(), scale=Tanh(0.5), resize=Input(), fuse=FuseMax()), raws(), STRIDES, (8, 8)
    )
    assert fused is not None
    assert fused.amax() < 0.5


def test_sum_and_mean_are_the_same_after_normalizing() -> None:
    results = [
        finish_maps(Finish(Relu(), Max(), None, Input(), fuse), raws(), STRIDES, (8, 8))[1] for fuse in (Sum(), Mean())
    ]
    assert results[1] is not None
    assert close(results[0], results[1])


def test_without_normalizing_the_fusion_is_left_alone() -> None:
    maps = {"shallow": normal(1, 1, 4, 4), "deep": normal(1, 1, 4, 4, seed=1)}
    _, fused = finish_maps(Finish(fuse=Sum()), maps, STRIDES, (8, 8))
    assert close(fused, maps["shallow"] + maps["deep"])


@PROPERTY
@given(st.lists(st.integers(1, 4), min_size=1, max_size=3), st.integers(1, 2), st.integers(1, 3), st.booleans())
def test_any_number_of_dimensions_and_targets_within_zero_and_one(
    space: list[int], samples: int, targets: int, even: bool
) -> None:
    raw = torch.ones(samples, targets, *space) if even else normal(samples, targets, *space)
    for normalize in (Max(), MinMax()):
        finish = Finish(Relu(), normalize, Tanh(), Input(), FuseMax())
        inputs = tuple(3 * side for side in space)
        _, fused = finish_maps(finish, {"deep": raw}, STRIDES, inputs)
        assert fused is not None
        assert fused.shape == (samples, targets, *inputs)
        assert 0 <= fused.min() <= fused.max() <= 1


def test_samples_and_targets_do_not_touch_each_other() -> None:
    maps = raws(3, 2)
    _, together = finish_maps(FULL, maps, STRIDES, (8, 8))
    assert together is not None
    for sample in range(3):
        for target in range(2):
            place = slice(sample, sample + 1), slice(target, target + 1)
            _, alone = finish_maps(FULL, {layer: raw[place] for layer, raw in maps.items()}, STRIDES, (8, 8))
            assert close(alone, together[place])


def test_nan_is_seen_to_the_end_in_its_own_map() -> None:
    maps = raws(2, 1)
    maps["deep"][0, 0, 0, 0] = torch.nan
    finished, fused = finish_maps(FULL, maps, STRIDES, (8, 8))
    assert fused is not None
    assert finished["deep"][0].isnan().all()
    assert fused[0].isnan().all()
    assert not fused[1].isnan().any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_finished_in_full(dtype: torch.dtype) -> None:
    raw = normal(1, 1, 4, 4).to(dtype)
    finished, fused = finish_maps(FULL, {"deep": raw}, STRIDES, (8, 8))
    expected = finish_maps(FULL, {"deep": raw.float()}, STRIDES, (8, 8))[1]
    assert fused is not None
    assert fused.dtype == finished["deep"].dtype == torch.float32
    assert torch.equal(fused, expected if expected is not None else torch.empty(0))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_other_precisions_are_kept_and_the_raw_maps_are_not_touched(dtype: torch.dtype) -> None:
    maps = {layer: raw.to(dtype) for layer, raw in raws().items()}
    before = {layer: raw.clone() for layer, raw in maps.items()}
    finished, _ = finish_maps(FULL, maps, STRIDES, (8, 8))
    assert all(saliency.dtype == dtype for saliency in finished.values())
    assert all(torch.equal(maps[layer], before[layer]) for layer in maps)


def test_the_largest_map_and_a_given_size_are_reached() -> None:
    for resizer, space in ((Largest(), (4, 4)), (Size((3, 5)), (3, 5))):
        finished, _ = finish_maps(Finish(resize=resizer), raws(), STRIDES, (8, 8))
        assert {tuple(saliency.shape[2:]) for saliency in finished.values()} == {space}


def test_maps_of_unequal_size_cannot_be_fused() -> None:
    with pytest.raises(ConfigError) as caught:
        finish_maps(Finish(fuse=FuseMax()), raws(), STRIDES, (8, 8))
    assert str(caught.value) == (
        "finish.fuse: expected maps of one size, got shallow (4, 4), deep (2, 2); "
        "set finish.resize or finish.fuse: none"
    )


def test_no_map_at_all_has_no_fusion() -> None:
    assert finish_maps(FULL, {}, {}, (8, 8)) == ({}, None)


@pytest.mark.parametrize(
    ("finish", "signed", "drops_negative"),
    [
        (Finish(), True, False),
        (Finish(normalize=Max(), fuse=Mean()), True, False),
        (Finish(normalize=MinMax()), False, False),
        (Finish(rectify=Relu(), normalize=Max()), False, True),
        (Finish(rectify=Abs()), False, False),
    ],
)
def test_whether_maps_are_signed_is_declared_by_the_stages(finish: Finish, signed: bool, drops_negative: bool) -> None:
    assert (finish.signed, finish.drops_negative) == (signed, drops_negative)
