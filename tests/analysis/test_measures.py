from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xaikit.analysis.measures import MEASURES, area, gini, measures, positive
from xaikit.report.record import Record

VALUES = st.lists(st.floats(0, 1e6, allow_subnormal=False), min_size=1, max_size=40)


def record(column: int = 0, probability: float | None = 0.75) -> Record:
    return Record("ab", "cat.png", "cat", "grad", "grad", column=column, score=3.5, probability=probability)


def pairwise(values: np.ndarray) -> float:
    """The Gini index as the mean difference of all pairs over twice the mean."""
    return float(np.abs(values[:, None] - values[None]).mean() / (2 * values.mean()))


def test_every_measure_of_a_map_by_hand() -> None:
    raws = {"a": torch.tensor([[[3.0, -1.0]]]), "b": torch.tensor([[[1.0, 1.0], [-1.0, 1.0]]])}
    fused = torch.tensor([[[4.0, 3.0], [2.0, -8.0]]])
    measured = measures(record(), raws, fused)
    assert list(measured) == list(MEASURES)
    assert (measured["score"], measured["probability"]) == (3.5, 0.75)
    assert measured["area"] == 0.5, "2 is not above half of 4"
    assert measured["gini"] == pytest.approx(pairwise(np.array([4.0, 3.0, 2.0, 0.0])))
    assert measured["positive"] == pytest.approx((0.75 + 0.75) / 2)


def test_the_column_picks_the_map() -> None:
    raws = {"a": torch.stack([torch.ones(2, 2), -torch.ones(2, 2)])}
    fused = torch.stack([torch.ones(2, 2), torch.eye(2)])
    first, second = (measures(record(column), raws, fused) for column in (0, 1))
    assert (first["positive"], first["area"], first["gini"]) == (1, 1, 0)
    assert (second["positive"], second["area"], second["gini"]) == (0, 0.5, 0.5)


def test_what_is_not_defined_is_nan() -> None:
    measured = measures(record(probability=None), {"a": torch.zeros(1, 2, 2)}, torch.zeros(1, 2, 2))
    assert all(math.isnan(value) for key, value in measured.items() if key != "score")
    unfused = measures(record(), {}, None)
    assert all(math.isnan(unfused[key]) for key in ("area", "gini", "positive"))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_value_that_is_not_finite_stays_visible(bad: float) -> None:
    spoilt = torch.tensor([[[1.0, bad]]])
    measured = measures(record(), {"a": torch.ones(1, 2, 2), "b": spoilt}, spoilt)
    assert all(math.isnan(measured[key]) for key in ("area", "gini", "positive"))


@settings(deadline=None)
@given(VALUES.filter(lambda values: max(values) > 1e-3))
def test_gini_is_that_of_all_pairs_and_below_one(values: list[float]) -> None:
    measured = gini(np.array(values))
    assert measured == pytest.approx(pairwise(np.array(values)), abs=1e-9)
    assert 0 <= measured < 1


def test_gini_of_one_place_that_has_everything() -> None:
    assert gini(np.eye(4)[:1]) == pytest.approx(1 - 1 / 4)


@settings(deadline=None, max_examples=50)
@given(VALUES.filter(lambda values: max(values) > 1), st.floats(1e-3, 1e3))
def test_no_measure_of_a_map_depends_on_its_unit(values: list[float], unit: float) -> None:
    saliency = np.array(values)
    assert gini(saliency * unit) == pytest.approx(gini(saliency), abs=1e-9)
    assert positive([saliency * unit - 1e-3 * unit]) == pytest.approx(positive([saliency - 1e-3]), abs=1e-9)
    assert area(saliency * 4) == area(saliency)


def test_large_and_small_values_do_not_overflow() -> None:
    for unit in (1e300, 1e-300):
        assert gini(np.array([0.0, unit, unit, 0.0])) == pytest.approx(0.5)
        assert positive([np.array([unit, -unit])]) == 0.5
