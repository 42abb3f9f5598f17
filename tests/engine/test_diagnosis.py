"""Every named reason on a case built for it, which of several is given, and plural targets."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from helpers.views import TAP, made_trace
from xaikit.engine import diagnosis
from xaikit.engine.diagnosis import Evidence, Rectified, diagnose
from xaikit.explanation import Remark
from xaikit.finish import Finish, Rectifier
from xaikit.needs import Needs
from xaikit.plain.remarks import (
    ALL_NEGATIVE,
    CONSTANT,
    NOT_FINITE,
    ONE_PLACE,
    ZERO_ACTIVATIONS,
    ZERO_GRADIENTS,
    ZERO_MAP,
    holds_for,
)
from xaikit_finish.rectify.abs import Abs
from xaikit_finish.rectify.relu import Relu

ALIVE = [-1.0, 0.0, 2.0, 3.0]
GRADIENTS = Needs(gradients=1)
NAN, INF = torch.nan, torch.inf


def remarks(
    *rows: list[float],
    rectify: Rectified = None,
    needs: Needs = GRADIENTS,
    activations: Tensor | None = None,
    gradients: Tensor | None = None,
) -> list[Remark]:
    """One map a row, (N, 1, 4); evidence is alive unless it is given."""
    raw = torch.tensor(rows).unsqueeze(1)
    count, space = len(rows), raw.shape[2:]
    trace = made_trace(
        torch.ones(count, 2, *space) if activations is None else activations,
        torch.ones(count, 3, 2, *space) if gradients is None else gradients,
    )
    return [
        remark
        for noted in diagnose(Evidence(trace), TAP, slice(0, 1), raw, needs, rectify)
        for remark in noted.remarks()
    ]


def reasons(*rows: list[float], rectify: Rectifier | None = None) -> list[str]:
    return [remark.reason for remark in remarks(*rows, rectify=rectify)]


@pytest.mark.parametrize("rectify", [None, Relu(), Abs()])
def test_a_map_that_is_alive_needs_no_reason(rectify: Rectifier | None) -> None:
    assert reasons(ALIVE, [0.0, 0.0, 0.0, 1e-30], rectify=rectify) == []


@pytest.mark.parametrize(
    ("row", "rectify", "reason"),
    [
        ([-1.0, -2.0, -3.0, -4.0], Relu(), ALL_NEGATIVE),
        ([-1.0, 0.0, 0.0, -4.0], Relu(), ALL_NEGATIVE),
        ([-2.0] * 4, Relu(), ALL_NEGATIVE),
        ([2.0] * 4, Relu(), CONSTANT),
        ([2.0] * 4, None, CONSTANT),
        ([-2.0] * 4, None, CONSTANT),
        ([-2.0] * 4, Abs(), CONSTANT),
        ([0.0] * 4, Relu(), ZERO_MAP),
        ([0.0] * 4, None, ZERO_MAP),
        ([-0.0, 0.0, 0.0, 0.0], Abs(), ZERO_MAP),
        ([NAN, 1.0, 2.0, 3.0], Relu(), NOT_FINITE),
        ([1.0, INF, 2.0, 3.0], None, NOT_FINITE),
        ([-INF, -1.0, -2.0, -3.0], Relu(), NOT_FINITE),
        ([NAN] * 4, Abs(), NOT_FINITE),
        ([INF] * 4, None, NOT_FINITE),
    ],
)
def test_each_reason_of_the_map(row: list[float], rectify: Rectifier | None, reason: str) -> None:
    assert reasons(row, rectify=rectify) == [reason]


@pytest.mark.parametrize(
    ("row", "rectify"),
    [
        # a signed map is drawn as it is: nothing was rectified away
        ([-1.0, -2.0, -3.0, -4.0], None),
        ([-1.0, 0.0, 0.0, -4.0], None),
        ([-1.0, -2.0, -3.0, -4.0], Abs()),
    ],
)
def test_what_is_no_reason(row: list[float], rectify: Rectifier | None) -> None:
    assert reasons(row, rectify=rectify) == []


@pytest.mark.parametrize(
    ("row", "rectify", "beside"),
    [
        ([2.0], Relu(), []),
        ([-2.0], None, []),
        ([-2.0], Abs(), []),
        ([-1.0], Relu(), [ALL_NEGATIVE]),
        ([0.0], Relu(), [ZERO_MAP]),
    ],
)
def test_one_place_is_even_by_nature(row: list[float], rectify: Rectifier | None, beside: list[str]) -> None:
    assert reasons(row, rectify=rectify) == [ONE_PLACE, *beside]


def test_zero_activations() -> None:
    activations = torch.ones(2, 2, 4)
    activations[1] = 0
    noticed = remarks(ALIVE, [0.0] * 4, activations=activations, rectify=Relu())
    assert noticed == [Remark(1, "features+", "zero activations")]


def test_negative_gradients_are_the_reason_where_a_method_keeps_positive_ones_only() -> None:
    gradients = -torch.ones(2, 3, 2, 4)
    gradients[1, 0, 0, 0] = 1
    noticed = remarks([0.0] * 4, [0.0] * 4, gradients=gradients, rectify=Relu())
    assert sorted(map(str, noticed)) == [
        "sample 0, features+: all-negative gradients: nothing is left of them",
        "sample 1, features+: zero map: the evidence cancels",
    ]
    # of a map that is negative the gradients say nothing
    assert [one.reason for one in remarks([-1.0] * 4, gradients=gradients[:1], rectify=Relu())] == [ALL_NEGATIVE]


def test_zero_gradients_only_where_the_method_reads_them() -> None:
    gradients = torch.ones(2, 3, 2, 4)
    gradients[0, 0] = 0
    rows = [0.0] * 4, ALIVE
    assert remarks(*rows, gradients=gradients) == [Remark(0, "features+", "zero gradients")]
    unread = remarks(*rows, gradients=gradients, needs=Needs())
    assert unread == [Remark(0, "features+", "zero map: the evidence cancels")]


def test_gradients_of_other_targets_do_not_count() -> None:
    gradients = torch.ones(1, 3, 2, 4)
    gradients[:, 0] = 0
    assert remarks([0.0] * 4, gradients=gradients)[0].reason == ZERO_GRADIENTS
    gradients = 1 - gradients
    assert remarks([0.0] * 4, gradients=gradients)[0].reason == ZERO_MAP


def test_dead_evidence_is_no_reason_where_the_map_is_alive() -> None:
    assert remarks(ALIVE, activations=torch.zeros(1, 2, 4), gradients=torch.zeros(1, 3, 2, 4)) == []


@pytest.mark.parametrize("row", [[0.0] * 4, [-1.0] * 4, [-1.0, -2.0, -1.0, -1.0], [2.0] * 4])
def test_the_most_specific_reason_is_the_one_given(row: list[float]) -> None:
    dead = torch.zeros(1, 2, 4), torch.zeros(1, 3, 2, 4)
    noticed = remarks(row, activations=dead[0], gradients=dead[1], rectify=Relu())
    assert [remark.reason for remark in noticed] == [ZERO_ACTIVATIONS]
    noticed = remarks(row, gradients=dead[1], rectify=Relu())
    assert [remark.reason for remark in noticed] == [ZERO_GRADIENTS]
    unfinished = remarks([*row[:3], NAN], activations=dead[0], gradients=dead[1], rectify=Relu())
    assert [remark.reason for remark in unfinished] == [NOT_FINITE]


def test_every_sample_has_its_own_reason() -> None:
    noticed = remarks([NAN] * 4, ALIVE, [-1.0, -2.0, -3.0, -4.0], [0.0] * 4, [2.0] * 4, rectify=Relu())
    assert sorted(map(str, noticed)) == [
        "sample 0, features+: values that are NaN or infinite",
        "sample 2, features+: all-negative evidence: nothing is left after rectifying",
        "sample 3, features+: zero map: the evidence cancels",
        "sample 4, features+: constant map: every place matters the same",
    ]


def test_nan_in_the_evidence_is_not_taken_for_zero() -> None:
    nan = torch.full((1, 2, 4), NAN)
    noticed = remarks([NAN] * 4, activations=nan, gradients=torch.full((1, 3, 2, 4), NAN))
    assert [remark.reason for remark in noticed] == [NOT_FINITE]


# --- for any finish


@dataclasses.dataclass(frozen=True)
class Flipped:
    """Keeps what is negative."""

    signed: ClassVar[bool] = False
    drops_negative: ClassVar[bool] = False

    def rectify(self, saliency: Tensor) -> Tensor:
        return (-saliency).clamp_min(0)


ROWS = [
    ALIVE,
    [-1.0, -2.0, -3.0, -4.0],
    [-2.0] * 4,
    [2.0] * 4,
    [0.0] * 4,
    [NAN] * 4,
    [-INF, -1.0, -2.0, -3.0],
    [-1.0],
    [1.0],
]


@pytest.mark.parametrize("rectify", [None, Relu(), Abs()])
@pytest.mark.parametrize("row", ROWS)
def test_what_is_noted_for_any_finish_holds_what_is_noted_for_each(row: list[float], rectify: Rectifier | None) -> None:
    noted = remarks(row, rectify=diagnosis.ANY)
    expected = [remark.reason for remark in remarks(row, rectify=rectify)]
    reasons = [remark.reason for remark in noted if holds_for(remark.reason, Finish(rectify).drops_negative)]
    # a map that is constant and negative is both; rectified, the second goes without saying
    assert reasons[: len(expected)] == expected
    assert reasons[len(expected) :] == ([CONSTANT] if row == [-2.0] * 4 and rectify == Relu() else [])


def test_only_all_negative_evidence_depends_on_the_finish() -> None:
    holds = {
        rectify: holds_for(ALL_NEGATIVE, Finish(rectify).drops_negative) for rectify in (None, Relu(), Abs(), Flipped())
    }
    assert holds == {None: False, Relu(): True, Abs(): False, Flipped(): False}
    assert holds_for(ZERO_MAP, drops_negative=False)


def test_evidence_is_looked_at_once_for_all() -> None:
    trace = made_trace(torch.zeros(2, 2, 4), torch.zeros(2, 3, 2, 4))
    evidence = Evidence(trace)
    first = evidence.zero_activations(TAP), evidence.zero_gradients(TAP, slice(0, 3))
    trace.activations[TAP].fill_(1)
    trace.gradients[TAP].fill_(1)
    assert torch.equal(evidence.zero_activations(TAP), first[0])
    assert torch.equal(evidence.zero_gradients(TAP, slice(1, 3)), first[1][:, 1:])
    assert first[1].shape == (2, 3)


# --- plural targets


def test_plural_targets_are_counted() -> None:
    alive, negative, zero = ALIVE, [-1.0, -2.0, -3.0, -4.0], [0.0] * 4
    raw = torch.tensor([[alive, negative], [negative, negative], [zero, alive]])
    gradients = torch.ones(3, 3, 2, 4)
    gradients[2, 1] = 0
    trace = made_trace(torch.ones(3, 2, 4), gradients)
    noted = diagnose(Evidence(trace), TAP, slice(1, 3), raw, GRADIENTS, Relu())
    assert sorted(str(remark) for one in noted for remark in one.remarks()) == [
        "sample 0, features+: all-negative evidence: nothing is left after rectifying (1)",
        "sample 1, features+: all-negative evidence: nothing is left after rectifying (2)",
        "sample 2, features+: zero gradients (1)",
    ]


def test_one_map_for_all_targets_is_diagnosed_once_for_each() -> None:
    """A map (N, 1, *S) where the target plays no part, beside gradients of two targets."""
    gradients = torch.ones(1, 3, 2, 4)
    gradients[0, 1] = 0
    trace = made_trace(torch.ones(1, 2, 4), gradients)
    noted = list(diagnose(Evidence(trace), TAP, slice(1, 3), torch.zeros(1, 1, 4), GRADIENTS, None))
    assert sorted(str(remark) for one in noted for remark in one.remarks()) == [
        "sample 0, features+: zero gradients (1)",
        "sample 0, features+: zero map: the evidence cancels (1)",
    ]


# --- any space, and nothing changed


@pytest.mark.parametrize("space", [(5,), (2, 3), (2, 3, 2)])
def test_any_number_of_dimensions(space: tuple[int, ...]) -> None:
    trace = made_trace(torch.ones(2, 2, *space), torch.ones(2, 3, 2, *space))
    raw = torch.stack([torch.zeros(1, *space), torch.full((1, *space), 2.0)])
    noted = diagnose(Evidence(trace), TAP, slice(0, 1), raw, GRADIENTS, Relu())
    assert {remark.reason for one in noted for remark in one.remarks()} == {ZERO_MAP, CONSTANT}


@dataclasses.dataclass(frozen=True)
class OnSpace:
    """A rectifier that looks at the space of the map."""

    signed: ClassVar[bool] = False
    drops_negative: ClassVar[bool] = True

    def rectify(self, saliency: Tensor) -> Tensor:
        assert saliency.dim() == 4
        return saliency.clamp_min(0)


def test_the_rectifier_sees_the_map_as_it_is_and_leaves_it_so() -> None:
    raw = -torch.ones(1, 1, 2, 2)
    trace = made_trace(torch.ones(1, 2, 2, 2), torch.ones(1, 3, 2, 2, 2))
    noted = list(diagnose(Evidence(trace), TAP, slice(0, 1), raw, GRADIENTS, OnSpace()))
    assert [remark.reason for one in noted for remark in one.remarks()] == [ALL_NEGATIVE]
    assert torch.equal(raw, -torch.ones(1, 1, 2, 2))
