"""A thousand explanations leave nothing behind: no tensor, no object, no cycle that waits for the collector."""

from __future__ import annotations

import gc
import typing
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor

import xaikit
from helpers import unusual_nets
from helpers.hard_nets import FrozenBackbone, Plain, Raising, images, seeded
from helpers.served_models import Case

TIMES = 1000
METHODS = ["gradcam", "eigencam", "ablationcam", "scorecam"]


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the collector, so that a cycle shows."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def live() -> tuple[int, int]:
    """How many tensors there are, and how many objects that the collector knows."""
    for clear in typing._cleanups:  # bounded caches of annotations, which fill and turn over
        clear()
    things = gc.get_objects()
    return sum(issubclass(type(thing), Tensor) for thing in things), len(things)


def grown(work: Callable[[], Any], times: int) -> tuple[int, int]:
    """By how many tensors and objects that many calls outgrow the first ones, which fill caches."""
    for _ in range(3):
        work()
    with uncollected():
        tensors, objects = live()
        for _ in range(times):
            work()
        more_tensors, more_objects = live()
    return more_tensors - tensors, more_objects - objects


def assert_flat(work: Callable[[], Any], times: int) -> None:
    tensors, objects = grown(work, times)
    assert tensors == 0
    assert objects < times / 10, f"{objects} objects more after {times} calls: {kinds(work)}"


def kinds(work: Callable[[], Any]) -> list[tuple[str, int]]:
    """What there is more of after ten calls."""
    with uncollected():
        before = Counter(type(thing).__name__ for thing in gc.get_objects())
        for _ in range(10):
            work()
        after = Counter(type(thing).__name__ for thing in gc.get_objects())
    return (after - before).most_common(5)


def test_a_thousand_explanations() -> None:
    model, x = seeded(Plain), images(1, 2, 4, 4)
    assert_flat(lambda: xaikit.explain(model, x, METHODS, layers="conv2"), TIMES)


@pytest.mark.parametrize(
    ("case", "methods"),
    [
        (Case(layers="auto"), ["gradcam"]),
        (Case(FrozenBackbone), ["gradcam", "smoothgradcampp"]),
        (Case(unusual_nets.DeadFirst, ("block",)), ["gradcam", "eigencam", "ablationcam"]),
        (Case(unusual_nets.Encoding, ("block",), inputs=lambda: images(2, 2, 8, 12)), ["gradcam", "reciprocam"]),
        (Case(target={"use": "classes", "of": [0, 1, 2]}), METHODS),
    ],
)
def test_other_ways_through_the_engine(case: Case, methods: list[str]) -> None:
    model, inputs = case.model(), case.inputs()
    options: dict[str, Any] = {"layers": case.layers, "target": case.target or list(case.classes)}
    assert_flat(lambda: xaikit.explain(model, inputs, methods, **options), 50)


def test_tensors_of_checkpointed_blocks() -> None:
    # of other objects torch's own checkpoint leaves cycles behind
    model, x = seeded(unusual_nets.Checkpointed), images()
    methods = ["gradcam", "smoothgradcampp"]
    assert grown(lambda: xaikit.explain(model, x, methods, layers=["conv1", "block.0"]), 50)[0] == 0


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, torch.OutOfMemoryError])
def test_nor_do_explanations_that_fail(error: type[BaseException]) -> None:
    model, x = seeded(lambda: Raising(error)), images()

    def work() -> None:
        with pytest.raises(error):
            xaikit.explain(model, x, METHODS, layers="conv1")

    # what pytest.raises keeps of an exception is a cycle of its own: it is collected
    work()
    gc.collect()
    before = live()[0]
    for _ in range(20):
        work()
    gc.collect()
    assert live()[0] == before
