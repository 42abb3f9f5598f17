"""Nests of inputs: the rows of chosen samples, and another tensor first."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import pytest
import torch
from torch import Tensor

from xaikit.passes.nests import Reordered, first_tensor, in_order, led_by, mapped, replaced, rows, tensor_at, tensors_in

A, B, C = torch.zeros(2, 3), torch.ones(2, 4), torch.full((5,), 2.0)
Pair = namedtuple("Pair", ["left", "right"])

NESTS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "a tensor": (A, ()),
    "a tuple": ((A, B), (1,)),
    "names": ({"image": A, "extra": B}, ("extra",)),
    "a pair inside": (((A, B), C), (0, 1)),
    "a named pair": ({"pair": Pair(A, [C, B])}, ("pair", 1, 1)),
    "names inside": ((A, {"x": C, "y": B}), (1, "y")),
}


def listed(inputs: Any) -> Any:
    """In an order of its own: of names none matters."""
    if isinstance(inputs, dict):
        return sorted((key, listed(value)) for key, value in inputs.items())
    return str(inputs) if isinstance(inputs, Tensor) else (type(inputs), [listed(item) for item in inputs])


@pytest.mark.parametrize("kind", NESTS)
def test_any_tensor_comes_first_and_all_go_back_in_order(kind: str) -> None:
    inputs, path = NESTS[kind]
    led = led_by(inputs, path)
    assert first_tensor(led) is tensor_at(inputs, path)
    assert dict(tensors_in(led)).keys() == dict(tensors_in(inputs)).keys()
    assert listed(in_order(led)) == listed(inputs)


@pytest.mark.parametrize("kind", NESTS)
def test_what_is_made_of_reordered_inputs_is_in_order_as_well(kind: str) -> None:
    inputs, path = NESTS[kind]
    led = led_by(inputs, path)
    assert listed(in_order(mapped(torch.neg, led))) == listed(mapped(torch.neg, inputs))
    changed = replaced(led, path, B + 1)
    assert torch.equal(first_tensor(changed), B + 1)
    assert listed(in_order(changed)) == listed(replaced(inputs, path, B + 1))


def test_what_leads_already_is_left_as_it_is() -> None:
    inputs = (A, B)
    assert led_by(inputs, (0,)) is inputs
    assert not isinstance(in_order({0: A, 1: B}), tuple)
    assert isinstance(led_by(inputs, (1,)), Reordered)


@pytest.mark.parametrize(("shared", "lengths"), [((), (3, 3, 5)), ([(1,)], (3, 2, 5)), ([(2,)], (3, 3, 5))])
def test_rows_of_what_has_one_a_sample(shared: Any, lengths: tuple[int, ...]) -> None:
    chosen: tuple[Tensor, ...] = rows((A, B, C), torch.tensor([1, 0, 1]), shared)
    assert tuple(map(len, chosen)) == lengths
