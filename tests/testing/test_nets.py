"""The nets of the kit: which of them methods of the whole model explain, and how large their maps are."""

from __future__ import annotations

import pytest
import torch

from xaikit.registry import Registry
from xaikit.testing.explaining import raw, served, space_of
from xaikit.testing.nets import ATTENTION, CASES, TAIL, NetCase
from xaikit.testing.reference import evidence


def made(name: str) -> object:
    return Registry().find("method", name).cls()


@pytest.mark.parametrize(
    ("name", "cases"),
    [
        ("rollout", [ATTENTION]),
        ("gae", [ATTENTION]),
        ("legrad", [ATTENTION]),
        ("fullgrad", [case for case in CASES if case not in (ATTENTION,)]),
        ("gradcam", list(CASES)),
        ("center", list(CASES)),
    ],
)
def test_methods_of_the_whole_model_are_served_by_the_nets_that_have_what_they_need(
    name: str, cases: list[NetCase]
) -> None:
    assert served(made(name)) == cases


@pytest.mark.parametrize(
    ("name", "case", "space"),
    [
        ("gradcam", TAIL, (6, 5)),
        ("fullgrad", TAIL, (11, 10)),
        ("center", TAIL, (11, 10)),
        ("rollout", ATTENTION, (4, 3)),
    ],
)
def test_maps_have_the_space_of_what_they_are_maps_of(name: str, case: NetCase, space: tuple[int, ...]) -> None:
    assert space_of(made(name), case) == space
    assert tuple(raw(made(name), case).shape[1:]) == space


def test_tokens_are_shown_to_a_reference_as_a_map() -> None:
    activations, gradients = evidence(ATTENTION, 1)
    assert activations.shape == gradients.shape == (2, 4, 4, 3)
    expected = (gradients.mean((2, 3), keepdim=True) * activations).sum(1)
    assert torch.allclose(raw(made("gradcam"), ATTENTION), expected, rtol=1e-12, atol=1e-14)
