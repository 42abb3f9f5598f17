from __future__ import annotations

import itertools
import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from xaikit.analysis.statistics import EXACT, bootstrap, holm, paired

FLOATS = st.floats(-1e6, 1e6, allow_nan=False)
PS = st.lists(st.floats(0, 1) | st.just(math.nan), max_size=12)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def enumerated(thousandths: list[int]) -> float:
    """The p of the sign-flip test, one pattern of signs after the other, in whole numbers."""
    observed = abs(sum(thousandths))
    patterns = itertools.product((-1, 1), repeat=len(thousandths))
    far = [
        abs(sum(sign * each for sign, each in zip(signs, thousandths, strict=True))) >= observed for signs in patterns
    ]
    return sum(far) / len(far)


# bootstrap


@settings(deadline=None, max_examples=50)
@given(st.lists(FLOATS, min_size=2, max_size=30))
def test_the_interval_lies_within_the_values_and_about_the_mean(values: list[float]) -> None:
    interval = bootstrap(values, draws=200, generator=rng())
    slack = 1e-9 * max(map(abs, values))
    assert min(values) - slack <= interval.low <= interval.high <= max(values) + slack
    assert interval.mean == pytest.approx(math.fsum(values) / len(values), abs=1e-6)
    assert (interval.count, interval.missing) == (len(values), 0)


def test_intervals_hold_the_true_mean_as_often_as_they_say() -> None:
    generator = rng(1)
    for level in (0.8, 0.95):
        held = [
            (interval := bootstrap(generator.exponential(2.0, 80), level=level, draws=500, generator=generator)).low
            <= 2.0
            <= interval.high
            for _ in range(600)
        ]
        assert level - 0.04 < np.mean(held) < level + 0.03


def test_it_agrees_with_scipy() -> None:
    values = rng(2).normal(3, 1, 60)
    ours = bootstrap(values, level=0.9, draws=20_000, generator=rng(3))
    theirs = stats.bootstrap(
        (values,), np.mean, confidence_level=0.9, n_resamples=20_000, method="percentile", rng=rng(4)
    ).confidence_interval
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.01)


def test_the_same_seed_gives_the_same_interval_and_no_global_draw_is_made() -> None:
    before = np.random.get_state()[1].tolist(), random.getstate()  # type: ignore[index]
    values = rng(5).normal(size=40)
    assert bootstrap(values, generator=rng(6)) == bootstrap(values, generator=rng(6))
    assert bootstrap(values, generator=rng(6)) != bootstrap(values, generator=rng(7))
    assert (np.random.get_state()[1].tolist(), random.getstate()) == before  # type: ignore[index]


def test_many_photographs_are_resampled_in_parts() -> None:
    values = rng(8).normal(size=30_000)
    interval = bootstrap(values, draws=300, generator=rng(9))
    spread = 1.96 / math.sqrt(len(values))
    assert (interval.high - interval.low) / 2 == pytest.approx(spread, rel=0.25)


@pytest.mark.parametrize(
    ("values", "missing"), [([1.0, math.nan, 2.0, math.nan, 6.0], 2), ([1.0, math.inf, 2.0, -math.inf, 6.0], 2)]
)
def test_what_is_not_finite_is_left_out_and_counted(values: list[float], missing: int) -> None:
    interval, alone = bootstrap(values, generator=rng()), bootstrap([1.0, 2.0, 6.0], generator=rng())
    assert (interval.mean, interval.low, interval.high) == (3, alone.low, alone.high)
    assert (interval.count, interval.missing) == (len(values), missing)
    pair, of_defined = paired(values, [0.0] * 5, generator=rng()), paired([1.0, 2.0, 6.0], [0.0] * 3, generator=rng())
    assert (pair.difference, pair.p) == (3, of_defined.p)
    assert pair.missing == missing


def test_where_nothing_is_finite_there_is_no_mean() -> None:
    interval = bootstrap([math.nan, math.inf], generator=rng())
    assert math.isnan(interval.mean)
    assert math.isnan(interval.low)
    pair = paired([math.nan, math.inf], [1.0, math.inf], generator=rng())
    assert math.isnan(pair.difference)
    assert math.isnan(pair.p)
    assert (interval.missing, pair.missing) == (2, 2)


def test_of_none_there_is_no_mean_and_of_one_no_interval() -> None:
    none, one = bootstrap([], generator=rng()), bootstrap([2.5], generator=rng())
    assert math.isnan(none.mean)
    assert (none.count, none.missing) == (0, 0)
    assert one.mean == 2.5
    assert math.isnan(one.low)
    assert math.isnan(one.high)
    assert math.isnan(paired([], [], generator=rng()).p)


@pytest.mark.parametrize(
    ("message", "changes"),
    [("level", {"level": 1.0}), ("level", {"level": 95}), ("draws", {"draws": 0})],
)
def test_what_is_out_of_range_is_refused(message: str, changes: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=message):
        bootstrap([1.0, 2.0], generator=rng(), **changes)  # type: ignore[arg-type]


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match=r"one value a photograph, got the shape \(2, 1\)"):
        bootstrap([[1.0], [2.0]], generator=rng())
    with pytest.raises(ValueError, match="got 1 and 2"):
        paired([1.0], [1.0, 2.0], generator=rng())


# paired


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(-100_000, 100_000) | st.integers(-3, 3), min_size=1, max_size=9))
def test_p_is_that_of_every_pattern_of_signs(thousandths: list[int]) -> None:
    """Sums that are equal as numbers are so although their floats were added in another order."""
    result = paired(np.array(thousandths) / 1000, np.zeros(len(thousandths)), draws=50, generator=rng())
    assert result.p == enumerated(thousandths)


def test_p_of_a_case_worked_by_hand() -> None:
    # of 1, 2, 3 only +++ and --- are as far from 0 as 6: 2 of 8
    assert paired([1.0, 2.0, 3.0], [0.0, 0.0, 0.0], generator=rng()).p == 0.25
    assert paired([1.0, 2.0], [1.0, 2.0], generator=rng()).p == 1.0


def test_drawn_patterns_come_to_the_exact_p() -> None:
    thousandths = rng(10).normal(300, 1000, EXACT + 1).round().astype(int)
    result = paired(thousandths / 1000, np.zeros(EXACT + 1), draws=40_000, generator=rng(11))
    assert result.p == pytest.approx(enumerated(thousandths.tolist()), abs=0.01)


def test_drawn_patterns_agree_with_scipy() -> None:
    generator = rng(12)
    a, b = generator.normal(0.3, 1, 50), generator.normal(0, 1, 50)
    theirs = stats.permutation_test(
        (a, b), lambda x, y: np.mean(x - y), permutation_type="samples", n_resamples=20_000, rng=rng(13)
    )
    assert paired(a, b, draws=20_000, generator=rng(14)).p == pytest.approx(theirs.pvalue, abs=0.015)


def test_p_is_never_nothing() -> None:
    assert paired(np.ones(40), np.zeros(40), draws=999, generator=rng()).p == 1 / 1000


def test_p_is_uniform_where_there_is_no_difference() -> None:
    generator = rng(15)
    ps = [paired(*generator.normal(size=(2, 20)), draws=200, generator=generator).p for _ in range(400)]
    assert np.mean(np.array(ps) <= 0.05) == pytest.approx(0.05, abs=0.03)
    assert np.mean(ps) == pytest.approx(0.5, abs=0.05)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.tuples(FLOATS, FLOATS), min_size=1, max_size=10))
def test_exchanging_the_two_turns_the_sign_alone(pairs: list[tuple[float, float]]) -> None:
    a, b = zip(*pairs, strict=True)
    one, other = (paired(x, y, draws=50, generator=rng()) for x, y in ((a, b), (b, a)))
    assert one.difference == -other.difference
    assert one.p == other.p


# holm


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_a_test_that_was_not_made_does_not_count() -> None:
    adjusted = holm([0.02, math.nan, 0.04])
    assert adjusted[0] == pytest.approx(0.04)
    assert math.isnan(adjusted[1])
    assert adjusted[2] == pytest.approx(0.04)


@settings(deadline=None)
@given(PS)
def test_adjusted_ps_keep_their_order_and_never_fall(ps: list[float]) -> None:
    adjusted = holm(ps)
    made = [(p, q) for p, q in zip(ps, adjusted, strict=True) if not math.isnan(p)]
    assert all(p <= q <= 1 for p, q in made)
    assert [q for _, q in sorted(made)] == sorted(q for _, q in made)
    assert sum(map(math.isnan, adjusted)) == sum(map(math.isnan, ps))
