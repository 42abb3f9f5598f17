"""The contract of the stages of the finish."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from xaikit.testing.checks import COMMON, expect, expect_close, expect_finite, shown
from xaikit.testing.subjects import Subject

SPACES = ((7,), (5, 4), (3, 4, 2))
Work = Callable[[Subject], None]
Apply = Callable[[Any, Tensor], Tensor]


def maps(space: tuple[int, ...]) -> Tensor:
    """Signed maps (3, 2, *space)."""
    return torch.randn(3, 2, *space, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


APPLY: dict[str, Apply] = {
    "rectifier": lambda one, saliency: one.rectify(saliency),
    "normalizer": lambda one, saliency: one.normalize(saliency, tuple(range(2, saliency.dim()))),
    "scaler": lambda one, saliency: one.scale(saliency, 2.0),
    "fuser": lambda one, saliency: one.fuse(torch.stack([saliency, saliency.flip(0), 2 * saliency])),
}


def _applied(subject: Subject) -> Iterator[tuple[Any, Tensor, Tensor]]:
    for one in subject.instances():
        for space in SPACES:
            given = maps(space)
            yield one, given, APPLY[subject.kind](one, given)


def shape_and_type_are_kept(subject: Subject) -> None:
    """Maps in, as many maps of the same size and type out, in one to three dimensions."""
    for _, given, result in _applied(subject):
        expect(result.shape == given.shape, f"expected {tuple(given.shape)}, got {tuple(result.shape)}")
        expect(result.dtype == given.dtype, f"expected {given.dtype}, got {result.dtype}")


def nothing_is_changed(subject: Subject) -> None:
    """The maps that were given stay as they are."""
    for _, given, _ in _applied(subject):
        expect(
            torch.equal(given, maps(tuple(given.shape[2:]))),
            "expected the map given to stay as it is, and it was changed",
        )


def each_map_stands_for_itself(subject: Subject) -> None:
    """Another map beside it, of a sample or of a target, changes nothing."""
    for one, given, result in _applied(subject):
        if subject.kind == "fuser":
            continue
        for row in range(3):
            alone = APPLY[subject.kind](one, given[row : row + 1, :1])
            expect_close(result[row : row + 1, :1], alone, 0.0, "a map alone and beside others")


def what_is_not_finite_stays_visible(subject: Subject) -> None:
    """NaN is not turned into a number, and spoils no other map."""
    for one in subject.instances():
        given = maps((5, 4))
        whole = APPLY[subject.kind](one, given)
        given[0, 0, 2, 1] = math.nan
        result = APPLY[subject.kind](one, given)
        expect(bool(result[0, 0].isnan().any()), f"expected NaN to stay visible, got {shown(result[0, 0])}")
        expect_close(result[1, 1], whole[1, 1], 0.0, "another map beside one with NaN")


def dead_maps_are_finite(subject: Subject) -> None:
    """Maps that are zero or constant."""
    for one in subject.instances():
        for value in (0.0, 3.0):
            result = APPLY[subject.kind](one, torch.full((2, 1, 4, 3), value))
            expect_finite(result, f"of a map that is {value} everywhere")


def range_is_at_most_one(subject: Subject) -> None:
    """A normalized map lies within -1 and 1."""
    for _, _, result in _applied(subject):
        peak = float(result.abs().amax())
        expect(peak <= 1 + 1e-12, f"expected magnitudes of at most 1, got {peak:.6g}")


def the_sign_is_as_declared(subject: Subject) -> None:
    """Where ``signed`` says that a result is not negative, none is."""
    for one, _, result in _applied(subject):
        expect(isinstance(one.signed, bool), f"signed: expected True or False, got {one.signed!r}")
        if not one.signed:
            expect(not bool((result < 0).any()), f"expected nothing negative, as signed says, got {shown(result)}")


def what_is_not_negative_stays_so(subject: Subject) -> None:
    """Nothing negative comes of maps that are nowhere negative."""
    for one in subject.instances():
        for space in SPACES:
            result = APPLY[subject.kind](one, maps(space).abs())
            expect(not bool((result < 0).any()), f"of maps nowhere negative: expected the same, got {shown(result)}")


def what_is_negative_is_dropped_as_declared(subject: Subject) -> None:
    """Where ``drops_negative`` says so, what is negative counts for nothing."""
    for one, given, result in _applied(subject):
        expect(
            isinstance(one.drops_negative, bool),
            f"drops_negative: expected True or False, got {one.drops_negative!r}",
        )
        if one.drops_negative:
            expect_close(result, one.rectify(given.clamp_min(0)), 0.0, "a map and its positive part")
            left = one.rectify(-given.abs())
            expect(not bool(left.any()), f"of a map that is nowhere positive: expected nothing, got {shown(left)}")


def size_is_one_number_a_dimension(subject: Subject) -> None:
    """The shape to reach is whole positive numbers, whatever the maps and the input."""
    for one in subject.instances():
        for inputs in ((64, 48),):
            size = one.size([(7, 7), (14, 10)], inputs)
            whole = isinstance(size, (tuple, list)) and all(isinstance(side, int) and side > 0 for side in size)
            expect(whole and len(size) == len(inputs), f"expected {len(inputs)} whole numbers, got {size!r}")


def says_whether_to_normalize_again(subject: Subject) -> None:
    """``renormalize`` is there, a truth value."""
    for one in subject.instances():
        expect(isinstance(one.renormalize, bool), f"renormalize: expected True or False, got {one.renormalize!r}")


_MAPS: tuple[Work, ...] = (
    *COMMON,
    shape_and_type_are_kept,
    nothing_is_changed,
    each_map_stands_for_itself,
    what_is_not_finite_stays_visible,
    dead_maps_are_finite,
)

CHECKS: dict[str, tuple[Work, ...]] = {
    "rectifier": (*_MAPS, the_sign_is_as_declared, what_is_negative_is_dropped_as_declared),
    "normalizer": (*_MAPS, range_is_at_most_one, the_sign_is_as_declared, what_is_not_negative_stays_so),
    "scaler": (*_MAPS, what_is_not_negative_stays_so),
    "resizer": (*COMMON, size_is_one_number_a_dimension),
    "fuser": (*_MAPS, says_whether_to_normalize_again, what_is_not_negative_stays_so),
}
