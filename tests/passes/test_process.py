from __future__ import annotations

import os
import random
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from xaikit.draws import global_draws
from xaikit.errors import PluginContract
from xaikit.passes.process import as_before

CHANGES: dict[str, Callable[[Path], object]] = {
    "the default dtype": lambda folder: torch.set_default_dtype(torch.float64),
    "the default device": lambda folder: torch.set_default_device("meta"),
    "grad mode": lambda folder: torch.set_grad_enabled(not torch.is_grad_enabled()),
    "the number of threads": lambda folder: torch.set_num_threads(torch.get_num_threads() + 1),
    "deterministic algorithms": lambda folder: torch.use_deterministic_algorithms(True),
    "the precision of matrix products": lambda folder: torch.set_float32_matmul_precision("high"),
    "the working directory": os.chdir,
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_of_the_process_is_named_and_put_back(what: str, tmp_path: Path) -> None:
    folder, made = os.getcwd(), torch.zeros(1)
    with pytest.raises(PluginContract, match=f"mine: .* got a change of {what}; it was put back"), as_before("mine"):
        CHANGES[what](tmp_path)
    assert os.getcwd() == folder
    again = torch.zeros(1)
    assert (again.dtype, again.device) == (made.dtype, made.device)
    with as_before("mine"):
        pass


@pytest.mark.parametrize(
    ("name", "draw"),
    [
        ("torch", lambda: torch.rand(1).item()),
        ("torch", lambda: torch.manual_seed(3).initial_seed()),
        ("numpy", lambda: np.random.rand()),
        ("Python", random.random),
    ],
)
def test_global_random_numbers_are_put_back(name: str, draw: Callable[[], float]) -> None:
    with as_before("mine") as remarks:
        first = draw()
    assert remarks == [f"drew from the global random numbers of {name}"]
    with as_before("mine"):
        assert draw() == first


def test_the_filters_of_warnings_are_put_back() -> None:
    filters, before = warnings.filters, list(warnings.filters)
    with as_before("mine") as remarks:
        warnings.simplefilter("ignore")
    assert remarks == ["changed the filters of Python's warnings, which were put back"]
    assert warnings.filters is filters
    assert list(filters) == before


class Quit(BaseException):
    pass


def _raise(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize("end", [lambda: sys.exit(0), lambda: _raise(Quit("enough")), lambda: _raise(GeneratorExit())])
def test_what_would_end_the_process_is_an_error(end: Callable[[], object]) -> None:
    with (
        pytest.raises(
            PluginContract, match=r"mine: expected an Exception where it fails, got (SystemExit|Quit|GeneratorExit)"
        ),
        as_before("mine"),
    ):
        end()


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_errors_and_interrupts_pass(error: type[BaseException]) -> None:
    with pytest.raises(error), as_before("mine"):
        raise error


def test_the_same_seed_draws_the_same_whatever_other_threads_do() -> None:
    weights: list[list[float]] = []

    def build() -> None:
        for _ in range(50):
            with global_draws(3):
                weights.append([torch.rand(1).item() for _ in range(20)])

    threads = [threading.Thread(target=build) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(weights) == 150
    assert all(each == weights[0] for each in weights)
