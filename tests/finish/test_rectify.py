"""What is kept of the sign."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from helpers.nets import PROPERTY
from xaikit_finish.rectify.abs import Abs
from xaikit_finish.rectify.relu import Relu

VALUES = st.lists(st.floats(allow_nan=False), min_size=1, max_size=12)


@PROPERTY
@given(VALUES)
def test_relu_keeps_what_is_positive(values: list[float]) -> None:
    saliency = torch.tensor(values, dtype=torch.float64)
    assert Relu().rectify(saliency).tolist() == [max(0.0, value) for value in values]


@PROPERTY
@given(VALUES)
def test_abs_keeps_the_size(values: list[float]) -> None:
    saliency = torch.tensor(values, dtype=torch.float64)
    assert Abs().rectify(saliency).tolist() == [abs(value) for value in values]


@PROPERTY
@given(VALUES)
def test_the_two_parts_make_the_whole(values: list[float]) -> None:
    saliency = torch.tensor(values, dtype=torch.float64)
    positive, negative = Relu().rectify(saliency), Relu().rectify(-saliency)
    assert torch.equal(torch.maximum(positive, negative), Abs().rectify(saliency))


def test_nan_stays_nan_and_nothing_is_changed_in_place() -> None:
    saliency = torch.tensor([torch.nan, -1.0])
    assert Relu().rectify(saliency).isnan().tolist() == [True, False]
    assert Abs().rectify(saliency).isnan().tolist() == [True, False]
    assert saliency[1] == -1
