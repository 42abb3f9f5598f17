"""The size to reach."""

from __future__ import annotations

from typing import Any

import pytest

from xaikit_finish.resize.input import Input
from xaikit_finish.resize.largest import Largest
from xaikit_finish.resize.size import Size

MAPS = [(7, 7), (28, 14), (14, 28), (14, 14)]


def test_the_input_has_the_last_word() -> None:
    assert Input().size(MAPS, (224, 160)) == (224, 160)


def test_the_largest_is_that_with_the_most_cells() -> None:
    assert Largest().size(MAPS, (224, 224)) == (28, 14)
    assert Largest().size([(3, 3), (1, 8)], (9, 9)) == (3, 3)
    assert Largest().size([(5,)], (9,)) == (5,)


def test_a_size_is_what_was_given() -> None:
    assert Size((10, 20)).size(MAPS, (224, 224)) == (10, 20)


@pytest.mark.parametrize("to", [(), (0, 4), [4, -1]])
def test_a_size_of_nothing_is_refused(to: Any) -> None:
    with pytest.raises(ValueError, match=r"^to: expected numbers of at least 1, got \["):
        Size(to)
