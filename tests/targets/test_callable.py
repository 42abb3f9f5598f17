"""callable: a function by its path, and the same maps as the function itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import xaikit
from helpers.nets import Spec
from xaikit import ConfigError
from xaikit_targets.callable import Function

LOGITS = torch.tensor([[0.1, 0.9, 0.5], [3.0, -1.0, 2.0]])
SOURCE = """
import torch

torch.rand(1)  # what importing draws is nobody else's concern

def energy(output, temperature=1.0):
    return temperature * (output / temperature).logsumexp(1)

def pair(output):
    return output[:, :2]

def total(output):
    return output.sum()

def broken(output):
    return output["logits"]

LIMIT = 3
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "scores.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    return "./scores.py"


def test_a_function_of_a_module_with_its_arguments() -> None:
    pinned = Function("torch:logsumexp", {"dim": 1}).pin(LOGITS, None)
    assert torch.equal(pinned.scores(LOGITS), LOGITS.logsumexp(1, keepdim=True))
    assert not pinned.plural
    assert str(pinned) == "logsumexp"


def test_a_function_of_a_file(file: str) -> None:
    pinned = Function(f"{file}:energy", {"temperature": 2.0}).pin(LOGITS, None)
    torch.testing.assert_close(pinned.scores(LOGITS)[:, 0], 2 * (LOGITS / 2).logsumexp(1))
    assert torch.equal(pinned.rows(torch.tensor([1, 1])).scores(LOGITS[[1, 1]])[:, 0], pinned.scores(LOGITS)[[1, 1], 0])
    assert Function(f"{file}:pair").pin(LOGITS, None).plural


def test_importing_draws_no_random_number_of_the_caller(file: str) -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    Function(f"{file}:energy").pin(LOGITS, None)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_file_is_imported_again_only_when_it_changes(file: str) -> None:
    Function(f"{file}:pair").pin(LOGITS, None)
    Path(file).write_text("def pair(output):\n    return output[:, 1:]\n")
    assert torch.equal(Function(f"{file}:pair").pin(LOGITS, None).scores(LOGITS), LOGITS[:, 1:])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "./scores.py:enrgy",
            "target callable './scores.py:enrgy': ./scores.py has no function 'enrgy'; did you mean 'energy'",
        ),
        ("./scores.py:LIMIT", "target callable './scores.py:LIMIT': ./scores.py has no function 'LIMIT'"),
        ("./score.py:energy", "target callable './score.py:energy': there is no file './score.py'"),
        ("./scores.py:total", "target total: expected scores of shape (N,) or (N, T), got ()"),
        ("./scores.py:broken", "target callable './scores.py:broken': IndexError: "),
        (
            "nowhere.at_all:f",
            "target callable 'nowhere.at_all:f': nowhere.at_all cannot be imported: ModuleNotFoundError",
        ),
    ],
)
def test_what_cannot_be_used_is_an_error(file: str, name: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Function(name).pin(LOGITS, None)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("name", ["energy", ":energy", "torch:", "a:b-c"])
def test_what_is_no_path_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"^function: expected 'pkg.module:function' or './file.py:function', got "):
        Function(name)


@pytest.mark.parametrize("method", ["gradcam", "reciprocam"])
def test_maps_are_those_of_the_function(file: str, method: str) -> None:
    model, x = Spec().build()

    def of(target: Any) -> Tensor:
        return xaikit.explain(model, x, method, layers="features", target=target)[method].maps["features"]

    saliency = of({"use": "callable", "function": f"{file}:energy"})
    assert saliency.any()
    assert torch.equal(saliency, of(lambda output: output.logsumexp(1)))
