"""Explanations of one model queue, of several do not; a switch of the process is put back by the last."""

from __future__ import annotations

import copy
import gc
import pickle
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from contextlib import contextmanager
from threading import Event

import pytest
from torch import nn

from xaikit.passes import locks
from xaikit.passes.locks import ProcessSwitch, queued


def enter(model: nn.Module) -> str:
    with queued(list(model.modules())):
        return "entered"


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


def waits(future: Future[str]) -> bool:
    try:
        future.result(0.2)
    except NotYet:
        return True
    return False


def test_one_model_is_waited_for_and_another_is_not(pool: ThreadPoolExecutor) -> None:
    one, other = nn.Sequential(nn.ReLU()), nn.Sequential(nn.ReLU())
    with queued(list(one.modules())):
        assert pool.submit(enter, other).result(5) == "entered"
        waiting = pool.submit(enter, one)
        assert waits(waiting)
    assert waiting.result(5) == "entered"


def test_models_that_share_a_module_wait_for_each_other(pool: ThreadPoolExecutor) -> None:
    backbone, other = nn.ReLU(), nn.ReLU()
    models = [nn.Sequential(backbone, nn.ReLU()), nn.Sequential(other), nn.Sequential(backbone, other)]
    assert [enter(model) for model in models] == ["entered"] * 3
    for outer, inner in ((0, 2), (1, 2), (2, 0), (2, 1)):
        with queued(list(models[outer].modules())):
            waiting = pool.submit(enter, models[inner])
            assert waits(waiting)
        assert waiting.result(5) == "entered"


def test_a_thread_does_not_wait_for_itself() -> None:
    model = nn.Sequential(nn.ReLU())
    with queued(list(model.modules())):
        assert enter(model) == enter(model[0]) == "entered"


def test_models_can_be_copied_pickled_and_forgotten() -> None:
    gc.collect()
    before = len(locks._locks)
    model = nn.Sequential(nn.ReLU())
    with queued(list(model.modules())):
        assert len(locks._locks) == before + 2
        copy.deepcopy(model)
        pickle.loads(pickle.dumps(model))
    del model
    gc.collect()
    assert len(locks._locks) == before


def test_a_switch_is_put_back_by_the_last(pool: ThreadPoolExecutor) -> None:
    turns: list[str] = []

    @contextmanager
    def turned() -> Iterator[None]:
        turns.append("on")
        yield
        turns.append("off")

    switch, first_in, first_may_go = ProcessSwitch(turned), Event(), Event()

    def first() -> None:
        with switch.held():
            first_in.set()
            first_may_go.wait(5)

    going = pool.submit(first)
    assert first_in.wait(5)
    with switch.held():
        first_may_go.set()
        going.result(5)
        assert turns == ["on"]
    assert turns == ["on", "off"]
    with pytest.raises(KeyError), switch.held():
        raise KeyError
    assert turns == ["on", "off"] * 2
