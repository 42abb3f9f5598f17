"""The contract of the stages of the finish."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from xaikit.testing.checks import COMMON, Work, expect, expect_close, expect_finite, for_each, instances, shown
from xaikit.testing.subjects import Subject

SPACES = ((7,), (5, 4), (3, 4, 2))
Apply = Callable[[Tensor], Tensor]


def maps(space: tuple[int, ...]) -> Tensor:
    """Signed maps (3, 2, *space)."""
    return torch.randn(3, 2, *space, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


APPLY: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "rectifier": lambda one, saliency: one.rectify(saliency),
    "normalizer": lambda one, saliency: one.normalize(saliency, tuple(range(2, saliency.dim()))),
    "scaler": lambda one, saliency: one.scale(saliency, 2.0),
    "fuser": lambda one, saliency: one.fuse(torch.stack([saliency, saliency.flip(0), 2 * saliency])),
}


def _functions(subject: Subject) -> Iterator[tuple[Apply]]:
    """What every instance does to maps."""
    return ((partial(APPLY[subject.kind], one),) for one in subject.instances())


def _applied(subject: Subject) -> Iterator[tuple[Any, Tensor, Tensor]]:
    """Every instance, maps, and what it makes of them."""
    for one, space in itertools.product(subject.instances(), SPACES):
        given = maps(space)
        yield one, given, APPLY[subject.kind](one, given)


def shape_and_type_are_kept(_: Any, given: Tensor, result: Tensor) -> None:
    """Maps in, as many maps of the same size and type out, in one to three dimensions."""
    expect(result.shape == given.shape, f"expected {tuple(given.shape)}, got {tuple(result.shape)}")
    expect(result.dtype == given.dtype, f"expected {given.dtype}, got {result.dtype}")


def nothing_is_changed(_: Any, given: Tensor, result: Tensor) -> None:
    """The maps that were given stay as they are."""
    same = torch.equal(given, maps(tuple(given.shape[2:])))
    expect(same, "expected the map given to stay as it is, and it was changed")


def each_map_stands_for_itself(subject: Subject) -> None:
    """Another map beside it, of a sample or of a target, changes nothing."""
    if subject.kind == "fuser":
        return
    for one, given, result in _applied(subject):
        for row in range(3):
            alone = APPLY[subject.kind](one, given[row : row + 1, :1])
            expect_close(result[row : row + 1, :1], alone, 0.0, "a map alone and beside others")


def what_is_not_finite_stays_visible(apply: Apply) -> None:
    """NaN is not turned into a number, and spoils no other map."""
    given = maps((5, 4))
    whole = apply(given)
    given[0, 0, 2, 1] = math.nan
    result = apply(given)
    expect(bool(result[0, 0].isnan().any()), f"expected NaN to stay visible, got {shown(result[0, 0])}")
    expect_close(result[1, 1], whole[1, 1], 0.0, "another map beside one with NaN")


def dead_maps_are_finite(apply: Apply) -> None:
    """Maps that are zero or constant."""
    for value in (0.0, 3.0):
        expect_finite(apply(torch.full((2, 1, 4, 3), value)), f"of a map that is {value} everywhere")


def range_is_at_most_one(_: Any, given: Tensor, result: Tensor) -> None:
    """A normalized map lies within -1 and 1."""
    peak = float(result.abs().amax())
    expect(peak <= 1 + 1e-12, f"expected magnitudes of at most 1, got {peak:.6g}")


def the_sign_is_as_declared(one: Any, given: Tensor, result: Tensor) -> None:
    """Where ``signed`` says that a result is not negative, none is."""
    expect(isinstance(one.signed, bool), f"signed: expected True or False, got {one.signed!r}")
    if not one.signed:
        expect(not bool((result < 0).any()), f"expected nothing negative, as signed says, got {shown(result)}")


def what_is_not_negative_stays_so(apply: Apply) -> None:
    """Nothing negative comes of maps that are nowhere negative."""
    for space in SPACES:
        result = apply(maps(space).abs())
        expect(not bool((result < 0).any()), f"of maps nowhere negative: expected the same, got {shown(result)}")


def what_is_negative_is_dropped_as_declared(one: Any, given: Tensor, result: Tensor) -> None:
    """Where ``drops_negative`` says so, what is negative counts for nothing."""
    drops = one.drops_negative
    expect(isinstance(drops, bool), f"drops_negative: expected True or False, got {drops!r}")
    if drops:
        expect_close(result, one.rectify(given.clamp_min(0)), 0.0, "a map and its positive part")
        left = one.rectify(-given.abs())
        expect(not bool(left.any()), f"of a map that is nowhere positive: expected nothing, got {shown(left)}")


def size_is_one_number_a_dimension(one: Any) -> None:
    """The shape to reach is whole positive numbers, whatever the maps and the input."""
    size = one.size([(7, 7), (14, 10)], (64, 48))
    whole = isinstance(size, (tuple, list)) and all(isinstance(side, int) and side > 0 for side in size)
    expect(whole and len(size) == 2, f"expected 2 whole numbers, got {size!r}")


def says_whether_to_normalize_again(one: Any) -> None:
    """``renormalize`` is there, a truth value."""
    expect(isinstance(one.renormalize, bool), f"renormalize: expected True or False, got {one.renormalize!r}")


_MAPS: tuple[Work, ...] = (
    *COMMON,
    *for_each(_applied, shape_and_type_are_kept, nothing_is_changed),
    each_map_stands_for_itself,
    *for_each(_functions, what_is_not_finite_stays_visible, dead_maps_are_finite),
)
_NOT_NEGATIVE = for_each(_functions, what_is_not_negative_stays_so)

CHECKS: dict[str, tuple[Work, ...]] = {
    "rectifier": (*_MAPS, *for_each(_applied, the_sign_is_as_declared, what_is_negative_is_dropped_as_declared)),
    "normalizer": (
        *_MAPS,
        *for_each(_applied, range_is_at_most_one, the_sign_is_as_declared),
        *_NOT_NEGATIVE,
    ),
    "scaler": (*_MAPS, *_NOT_NEGATIVE),
    "resizer": (*COMMON, *for_each(instances, size_is_one_number_a_dimension)),
    "fuser": (*_MAPS, *for_each(instances, says_whether_to_normalize_again), *_NOT_NEGATIVE),
}
