"""What a model draws in a pass leaves the global random state as it was, and what others draw is left to them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from helpers.hard_nets import Plain, Stochastic, images, seeded
from helpers.untouched import untouched
from xaikit.evidence.conditions import undisturbed


def test_random_numbers_drawn_inside_are_not_missed_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("threading.active_count", lambda: 1)  # whatever earlier tests left behind
    model = seeded(Plain)
    for times in (0, 5, 0, 5):
        with untouched(model), undisturbed(model):
            torch.rand(times)


def test_random_numbers_that_another_thread_drew_are_not_drawn_again() -> None:
    model = seeded(Plain)
    with undisturbed(model):
        pass
    with torch.random.fork_rng(), ThreadPoolExecutor(1) as pool:
        torch.manual_seed(0)
        expected = torch.rand(6)
        torch.manual_seed(0)
        with undisturbed(model):
            first = pool.submit(torch.rand, 3).result()
        assert torch.equal(torch.cat([first, pool.submit(torch.rand, 3).result()]), expected)


def test_a_model_that_draws_is_put_back_also_beside_other_threads() -> None:
    model = seeded(Plain)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        for _ in range(2):
            with untouched(model), undisturbed(model):
                torch.rand(5)


def test_a_model_that_evaluated_before_it_trained_is_put_back_beside_other_threads() -> None:
    model, x = seeded(Stochastic), images()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        with untouched(model), undisturbed(model):
            model(x)
        for _ in range(2):
            model.train()
            with untouched(model), undisturbed(model, "as_is"):
                model(x)
