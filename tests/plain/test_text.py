from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xaikit.plain.text import flow, read_value
from xaikit.plain.values import spelling

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", min_size=1), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (16, "16"),
        (2.5, "2.5"),
        (1000.0, "1000.0"),
        (True, "true"),
        ("1e3", '"1e3"'),
        (["layer3", "blocks.4"], "[layer3, blocks.4]"),
        ({"use": "top", "k": 3}, "{use: top, k: 3}"),
        ({"use": "tanh"}, "tanh"),
        ({}, "{}"),
    ],
)
def test_values_on_one_line(value: Any, text: str) -> None:
    assert flow(value) == text


@given(VALUES)
def test_what_is_written_is_read_again(value: Any) -> None:
    text = flow(value)
    assert read_value(text) == value or {"use": read_value(text)} == value
    assert "\n" not in text


@given(VALUES, VALUES)
def test_one_spelling_for_what_is_the_same(one: Any, other: Any) -> None:
    assert spelling(one) == spelling(one)
    if spelling(one) == spelling(other):
        assert one == other


def test_a_spelling_tells_a_boolean_from_a_number() -> None:
    assert spelling(1) == spelling(1.0) != spelling(True)
    assert spelling([0]) != spelling([False])
