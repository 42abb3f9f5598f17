"""The kit has teeth for metrics: each planted fault is found by the check that is there for it, and nothing sound is bitten."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from helpers.faulty_metrics import PLANTS, Sound
from xaikit.evaluation.scenes import Exact, Noise, scene
from xaikit.testing import Check, CheckFailed, metric_checks


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Some of the faults touch the process."""
    states = torch.get_rng_state(), np.random.get_state(), random.getstate()
    yield
    torch.set_rng_state(states[0])
    np.random.set_state(states[1])
    random.setstate(states[2])


def check(checks: list[Check], name: str) -> Check:
    (named,) = [one for one in checks if one.name == name]
    return named


@pytest.mark.parametrize("fault", PLANTS)
def test_a_planted_fault_is_found_by_its_check(fault: str) -> None:
    cls, name = PLANTS[fault]
    again = rf"\n  again: xaikit check {fault} --kind metric --only {name}$"
    with pytest.raises(CheckFailed, match=rf"^{name}: .*{again}") as caught:
        check(metric_checks(cls), name)()
    assert "expected" in str(caught.value) or "needs" in str(caught.value)


@pytest.mark.parametrize("one", metric_checks(Sound), ids=str)
def test_nothing_sound_is_bitten(one: Check) -> None:
    one()


@dataclass(frozen=True)
class Deaf(Sound):
    """Listens to none of its options."""

    power: float = 1.0


def test_an_option_that_changes_nothing_is_found() -> None:
    with pytest.raises(CheckFailed, match="option power: expected it to change a value"):
        check(metric_checks(Deaf), "every_option_changes_something")()


def test_a_metric_that_says_why_need_not_rank_the_truth_above_noise() -> None:
    cls, name = PLANTS["declared_the_other_way_round"]
    check(metric_checks(type("Honest", (cls,), {"no_oracle": "it asks how bad a map is"})), name)()


def test_the_evidence_of_the_kits_photographs_is_where_it_says() -> None:
    one = scene(6)
    with torch.no_grad():
        assert one.net(one.images).argmax(1).tolist() == list(one.classes)
    maps = one.maps(Exact())
    boxes = [boxes[label] for boxes, label in zip(one.boxes.long().tolist(), one.classes, strict=True)]
    for saliency, (left, top, right, bottom) in zip(maps, boxes, strict=True):
        inside = saliency[top:bottom, left:right].clamp(min=0).sum()
        assert float(inside / saliency.clamp(min=0).sum()) > 0.9
    assert torch.equal(one.mirrored().maps(Exact()), maps.flip(1, 2))
    assert not torch.equal(one.maps(Noise())[0], one.maps(Noise())[1])
