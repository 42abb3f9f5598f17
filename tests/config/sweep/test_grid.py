from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from xaikit.config.sweep.grid import UNVARIED, grid_of
from xaikit.schema.sections import SweepConfig


def points(sweep: SweepConfig) -> list[dict[str, Any]]:
    grid = grid_of(sweep)
    return [
        {
            key: values[number]
            for key, values, number in zip(grid.keys, grid.values, row, strict=True)
            if number != UNVARIED
        }
        for row in grid.points
    ]


def test_without_a_sweep_there_is_one_point_that_says_nothing() -> None:
    assert points(SweepConfig()) == [{}]


def test_axes_multiply_and_the_last_turns_fastest() -> None:
    rows = points(SweepConfig({"a": (1, 2), "b": ("x", "y")}, zip=({"c": (5, 6), "d": (7, 8)},)))
    assert rows[:4] == [
        {"a": 1, "b": "x", "c": 5, "d": 7},
        {"a": 1, "b": "x", "c": 6, "d": 8},
        {"a": 1, "b": "y", "c": 5, "d": 7},
        {"a": 1, "b": "y", "c": 6, "d": 8},
    ]
    assert len(rows) == 8


def test_values_of_axes_that_move_together_may_stand_again() -> None:
    grid = grid_of(SweepConfig(zip=({"a": (1, 1, 2), "b": (3, 4, 3)},)))
    assert grid.values == ((1, 2), (3, 4))
    assert grid.points == ((0, 0), (0, 1), (1, 0))


def test_an_exclusion_wants_all_its_keys() -> None:
    rows = points(SweepConfig({"a": (1, 2), "b": (3, 4)}, exclude=({"a": (1,), "b": (4,)},)))
    assert rows == [{"a": 1, "b": 3}, {"a": 2, "b": 3}, {"a": 2, "b": 4}]


def test_what_is_included_comes_last_and_is_not_excluded() -> None:
    sweep = SweepConfig({"a": (1, 2)}, exclude=({"a": (2,)},), include=({"b": 7}, {"a": 2}))
    assert points(sweep) == [{"a": 1}, {"b": 7}, {"a": 2}]


def test_where_each_value_was_written() -> None:
    grid = grid_of(SweepConfig({"a": (1, 2)}, zip=({"b": (3,)},), include=({"a": 2, "b": 9},)))
    assert grid.places == (
        (("sweep", "a", 0), ("sweep", "a", 1)),
        (("sweep", "zip", 0, "b", 0), ("sweep", "include", 0, "b")),
    )


VALUES = st.lists(st.integers(0, 5) | st.lists(st.integers(0, 2), max_size=2), min_size=1, max_size=4, unique_by=repr)
AXES = st.dictionaries(st.sampled_from("abcd"), VALUES, min_size=1, max_size=3)


@given(AXES, st.data())
def test_as_many_points_as_the_product_less_the_excluded_and_the_included(
    axes: dict[str, Any], data: st.DataObject
) -> None:
    def drop() -> dict[str, Any]:
        keys = data.draw(st.sets(st.sampled_from(sorted(axes)), min_size=1))
        return {key: data.draw(st.lists(st.sampled_from(axes[key]), min_size=1)) for key in keys}

    drops = [drop() for _ in range(data.draw(st.integers(0, 2)))]
    added = data.draw(st.lists(st.dictionaries(st.sampled_from("abcde"), st.integers(6, 9), min_size=1), max_size=2))
    product = [dict(zip(axes, row, strict=True)) for row in itertools.product(*axes.values())]
    remaining = [point for point in product if not any(all(point[key] in drop[key] for key in drop) for drop in drops)]
    rows = points(SweepConfig(axes, exclude=tuple(drops), include=tuple(added)))
    assert len(rows) == len(remaining) + len(added)
    assert rows == remaining + added
