"""Inputs in whatever nest, and the call of a model on them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from helpers.hard_nets import Pair, Plain, TwoInputs, images, seeded
from xaikit.errors import TapError
from xaikit.evidence.forward import call
from xaikit.passes.nests import copied, first_tensor, rows, varied


def test_positional_named_and_single_inputs_reach_the_model() -> None:
    model, image, extra = seeded(TwoInputs), images(), images(2, 5)
    assert torch.equal(call(model, (image, extra)), call(model, {"extra": extra, "image": image}))
    assert torch.equal(call(seeded(Plain), image), seeded(Plain)(image))


def test_copies_share_no_memory_and_keep_the_nest() -> None:
    with torch.inference_mode():
        given = {"a": (images(2), [images(3), "word"]), "b": None}
    made = copied(given)

    def flat(nest: Any) -> list[Tensor]:
        return [nest["a"][0], nest["a"][1][0]]

    assert made["b"] is None
    assert made["a"][1][1] == "word"
    for mine, theirs in zip(flat(made), flat(given), strict=True):
        assert torch.equal(mine, theirs)
        assert mine.data_ptr() != theirs.data_ptr()
        assert not mine.is_inference()


def test_a_copy_is_cut_from_the_graph_of_the_input() -> None:
    assert not copied(images().requires_grad_()).requires_grad


def test_the_first_tensor_is_found_in_a_nest() -> None:
    extra, picture = images(2, 5), images()
    assert first_tensor({"a": ("word", extra), "b": picture}) is picture  # numbers beside a picture are no picture
    assert first_tensor({"a": ("word", extra), "b": images(2, 3)}) is extra
    with pytest.raises(TapError, match=r"inputs: expected a tensor, a tuple or a dict of tensors, got str"):
        first_tensor("word")


def test_a_named_tuple_of_inputs_stays_one() -> None:
    made = copied(Pair(images(2), "word"))
    assert type(made) is Pair
    assert made.right == "word"


def test_rows_are_chosen_where_there_is_one_a_sample() -> None:
    image, constant = images(3, 2, 4, 4), images(5)
    chosen = rows({"image": image, "constant": constant, "flag": True}, torch.tensor([0, 0, 2]))
    assert torch.equal(chosen["image"], image[[0, 0, 2]])
    assert chosen["constant"] is constant
    assert chosen["flag"] is True


def test_the_first_tensor_alone_is_varied() -> None:
    image, extra, other = images(2, 3), images(2, 5), images(2, 3, seed=4)
    made = varied((image, [extra]), other)
    assert made[0] is other
    assert made[1][0] is extra
