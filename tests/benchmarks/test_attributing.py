"""Every side of the rows runs, small; nothing is timed here."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import xaikit
from benchmarks.attributing import CAPTUM, LOOP, by_loop, rows
from benchmarks.rows import Goal, Row, subject

SMALL = rows(steps=2, masks=8)


@pytest.mark.parametrize(
    ("row", "side"),
    [(row, side) for row in SMALL for side in row.sides],
    ids=lambda value: getattr(value, "title", value),
)
def test_every_side_makes_maps_of_the_size_of_the_input(row: Row, side: str) -> None:
    size = 224 if row.net == "ViT-S/16" else 64
    on = subject(row.net, 2, size)
    with torch.random.fork_rng(devices=[]):
        maps = row.sides[side](on)
    assert {tuple(each.shape) for each in maps} == {(2, size, size)}
    assert all(bool(each.isfinite().all()) for each in maps)


def test_the_plain_loop_is_rise() -> None:
    """Of so many masks both come near to each other."""
    net = torch.nn.Sequential(torch.nn.AvgPool2d(8), torch.nn.Flatten(), torch.nn.Linear(192, 3))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        torch.nn.init.normal_(net[2].weight)
        on: Any = subject("ResNet-18", 1, 64)
        on = type(on)(net, on.inputs)
        (theirs,) = by_loop(6000)(on)
    raw = {"rectify": "none", "normalize": "none"}
    made = xaikit.explain(net, on.inputs, {"rise": {"masks": 6000}}, finish=raw)["rise"].map
    assert float(torch.corrcoef(torch.stack([made.flatten(), theirs.flatten()]))[0, 1]) > 0.9


def test_a_goal_may_bound_others_as_well() -> None:
    goal = Goal(1.5, rivals=(CAPTUM,), within={LOOP: 1.1})
    assert str(goal) == "≥ 1.5 x as fast as Captum, ≤ 1.1 x as long as a plain loop"
    assert goal.met(9, {CAPTUM: 1.5, LOOP: 0.92})
    assert not goal.met(9, {CAPTUM: 1.5, LOOP: 0.9})
    assert not goal.met(9, {CAPTUM: 1.4, LOOP: 2})
