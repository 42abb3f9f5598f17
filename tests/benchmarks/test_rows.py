"""Every row runs, small; nothing is timed here."""

from __future__ import annotations

import mmap
import os
from typing import Any

import pytest
import torch

from benchmarks import memory, results, timing
from benchmarks.rows import ROWS, Goal, Row, chosen, subject
from benchmarks.sides import FORWARD, GRAD_CAM, TORCHCAM, XAIKIT, Side, Subject, forward

BATCH, SIZE = 2, 64
FAST = [(row, name) for row in ROWS for name in row.sides if name != XAIKIT and name not in row.slow]


def title(value: Any) -> str:
    return value.title if isinstance(value, Row) else str(value)


@pytest.fixture(autouse=True)
def _single_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("row", ROWS, ids=title)
def test_xaikits_side_makes_maps_of_the_size_of_the_input(row: Row) -> None:
    batch = min(row.batch, BATCH)
    for map_ in row.sides[XAIKIT](subject(row.net, batch, SIZE)):
        assert (map_.shape[0], *map_.shape[-2:]) == (batch, SIZE, SIZE)
        assert map_.isfinite().all()


@pytest.mark.parametrize(("row", "name"), FAST, ids=title)
def test_a_peers_side_does_too_and_leaves_no_hook(row: Row, name: str) -> None:
    on = subject(row.net, BATCH, SIZE)
    maps = row.sides[name](on)
    assert all(tuple(map_.shape) == (BATCH, SIZE, SIZE) for map_ in maps)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in on.model.modules())
    on.model.zero_grad(set_to_none=True)


def test_a_subject_is_the_same_each_time() -> None:
    first, second = (subject("ResNet-18", 1, SIZE) for _ in range(2))
    assert torch.equal(first.inputs, second.inputs)
    assert not first.model.training
    assert torch.equal(forward(first), forward(second))


def test_rows_are_chosen_by_a_part_of_their_title() -> None:
    assert chosen("") == list(ROWS)
    assert {row.net for row in chosen("ablation")} == {"ResNet-18"}
    assert len({row.title for row in ROWS}) == len(ROWS)


def small(**changes: Any) -> Row:
    sides = dict.fromkeys([XAIKIT, TORCHCAM, GRAD_CAM], forward)
    return Row("small", "ResNet-18", 1, **{"sides": sides, "goal": Goal(1.1)} | changes)


def test_sides_take_turns_and_slow_ones_stop_early() -> None:
    calls: list[tuple[Side, int]] = []

    def clock(side: Side, on: Subject) -> float:
        calls.append((side, on.inputs.shape[-1]))
        return float(len(calls))

    row = small(sides={XAIKIT: lambda on: 1, TORCHCAM: lambda on: 2}, slow=frozenset({TORCHCAM}))
    seconds = timing.measured(row, 3, "cpu", clock)
    assert seconds == {FORWARD: [4, 9, 10], XAIKIT: [5, 7, 11], TORCHCAM: [6, 8]}
    names = {side: name for name, side in row.compared.items()}
    order = [(names[side], size) for side, size in calls]
    assert order[:3] == [(FORWARD, 224), (XAIKIT, 224), (TORCHCAM, 64)]
    assert [name for name, _ in order[3:]] == [FORWARD, XAIKIT, TORCHCAM, XAIKIT, TORCHCAM, FORWARD, FORWARD, XAIKIT]


def test_a_ratio_is_the_median_of_the_rounds_ratios() -> None:
    measured = {FORWARD: [1.0, 2.0, 10.0], XAIKIT: [1.0, 3.0, 11.0], TORCHCAM: [2.0, 4.0, 44.0], GRAD_CAM: [5.0, 6.0]}
    result = results.result(small(), measured)
    assert result["of_forward"][XAIKIT] == {"median": 1.1, "low": 1.0, "high": 1.5, "rounds": 3}
    assert result["of_xaikit"][GRAD_CAM] == {"median": 3.5, "low": 2.0, "high": 5.0, "rounds": 2}
    assert result["sides"][FORWARD]["median"] == 2.0
    assert (result["goal"], result["met"]) == ("≤ 1.10 forwards", True)


def test_a_goal_is_a_bound_on_forwards_or_on_every_rival() -> None:
    assert Goal(1.1).met(1.1, {})
    assert not Goal(1.1).met(1.11, {})
    both = Goal(1.3, rivals=(TORCHCAM, GRAD_CAM))
    assert str(both) == "≥ 1.3 x as fast as TorchCAM and pytorch-grad-cam"
    assert both.met(9, {TORCHCAM: 1.3, GRAD_CAM: 2})
    assert not both.met(9, {TORCHCAM: 1.2, GRAD_CAM: 2})


def test_the_clock_clears_what_a_side_leaves() -> None:
    on = subject("ResNet-18", 1, SIZE)
    assert timing.timed(lambda on: on.model(on.inputs).sum().backward(), on) > 0
    assert all(value.grad is None for value in on.model.parameters())


@pytest.mark.skipif(not os.access(memory.FORGET, os.W_OK), reason="the kernel keeps the peak")
def test_a_peak_is_seen_after_what_was_taken_is_given_back() -> None:
    memory.forget()
    before = memory.peak()
    with mmap.mmap(-1, 2**26) as taken:
        taken.write(bytes(1) * 2**26)
    # 64 MiB of the map and as much of what is written; less what was held before and is given back meanwhile
    assert 48 <= memory.peak() - before < 160
