"""What a mean over photographs is worth: bootstrap intervals, sign-flip tests, and p-values of many tests. Pure numpy.

Every draw takes a seeded generator. What is not a finite number is never left out of a mean in silence: the mean is of those
that are, and beside it stands how many are not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

EXACT = 16
"""Differences up to which every pattern of signs is tried (2 ** 16 = 65,536); beyond, patterns are drawn."""


_CELLS = 1 << 22  # numbers in memory at once, 32 MiB of float64


_ROUNDING = 1e-12  # sums that differ by this share of sum |x| are the same sum, added in another order


Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A mean, in the units of its values, and where it would lie with other photographs.

    mean       of the values that are finite; NaN where there is none
    low, high  ends of the interval; NaN where fewer than two values are finite
    count      values
    missing    values that are not finite
    """

    mean: float
    low: float
    high: float
    count: int
    missing: int = 0


@dataclass(frozen=True)
class Paired:
    """How two things differ on the same photographs, in the units of their values.

    difference  mean of a - b where that is finite; NaN where it is nowhere
    low, high   ends of the interval; NaN for fewer than two such photographs
    p           of a difference at least this far from 0, either way, if it were as often a > b as b > a; in (0, 1], or NaN
    count       photographs
    missing     photographs whose difference is not finite
    """

    difference: float
    low: float
    high: float
    p: float
    count: int
    missing: int = 0


def bootstrap(
    values: ArrayLike, *, level: float = 0.95, draws: int = 10_000, generator: np.random.Generator
) -> Interval:
    """The mean and its percentile bootstrap interval (Efron & Tibshirani 1993, An Introduction to the Bootstrap, ch. 13).

    Args:
        values: one a photograph.
        level: the share of such intervals that hold the true mean, for many photographs; in (0, 1). With few (under
            20, say) percentile intervals are too narrow.
        draws: resamples, at least 1.

    Raises:
        ValueError: level, draws or the shape of the values are out of range.
    """
    column = _column(values)
    if not 0 < level < 1:
        raise ValueError(f"level: expected a number between 0 and 1, got {level}")
    if draws < 1:
        raise ValueError(f"draws: expected at least 1, got {draws}")
    defined = column[np.isfinite(column)]
    count, missing = len(defined), len(column) - len(defined)
    mean = float(defined.mean()) if count else math.nan
    if count < 2:
        return Interval(mean, math.nan, math.nan, len(column), missing)
    resampled = [defined[generator.integers(0, count, (rows, count))].mean(1) for rows in _chunks(draws, count)]
    low, high = np.quantile(np.concatenate(resampled), [(1 - level) / 2, (1 + level) / 2])
    return Interval(mean, float(low), float(high), len(column), missing)


def paired(
    a: ArrayLike, b: ArrayLike, *, level: float = 0.95, draws: int = 10_000, generator: np.random.Generator
) -> Paired:
    """The mean of a - b over photographs with its bootstrap interval, and the p-value of the sign-flip test.

    Were there no difference, each photograph's would be as likely with the other sign (Fisher 1935, The Design of
    Experiments, s. 21; Pitman 1937, J. R. Stat. Soc. Suppl. 4). All patterns of signs are tried for up to ``EXACT``
    photographs, else ``draws`` of them, where p = (1 + patterns as far from 0) / (1 + draws) (Davison & Hinkley 1997,
    Bootstrap Methods and their Application, s. 4.2), so that p is never 0.

    Args:
        a, b: the values of the same photographs, in the same order.

    Raises:
        ValueError: they are not as many; see also :func:`bootstrap`.
    """
    first, second = _column(a), _column(b)
    if len(first) != len(second):
        raise ValueError(f"expected the same photographs in a and b, got {len(first)} and {len(second)}")
    with np.errstate(invalid="ignore"):  # inf - inf is NaN, and said to be missing
        differences = first - second
    mean = bootstrap(differences, level=level, draws=draws, generator=generator)
    defined = differences[np.isfinite(differences)]
    p = _sign_flip(defined, draws, generator) if len(defined) else math.nan
    return Paired(mean.mean, mean.low, mean.high, p, mean.count, mean.missing)


def holm(ps: Sequence[float]) -> list[float]:
    """p-values, adjusted so that the chance of any false one among all stays below the level it is held against.

    Holm 1979, Scand. J. Statist. 6:65-70: the k-th smallest of m is multiplied by m - k + 1, at least the one before, at
    most 1. A test that could not be made (NaN) stays NaN and does not count.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    ascending = sorted((p, place) for place, p in enumerate(ps) if not math.isnan(p))
    adjusted = [math.nan] * len(ps)
    largest = 0.0
    for rank, (p, place) in enumerate(ascending):
        largest = max(largest, min(1.0, (len(ascending) - rank) * p))
        adjusted[place] = largest
    return adjusted


def _sign_flip(differences: Floats, draws: int, generator: np.random.Generator) -> float:
    total = np.abs(differences).sum()
    observed = abs(differences.sum()) - _ROUNDING * total
    count = len(differences)
    if count <= EXACT:
        patterns = np.arange(1 << count)[:, None] >> np.arange(count) & 1
        return float(np.mean(_as_far(patterns, differences, observed)))
    far = 0
    for rows in _chunks(draws, count):
        drawn = np.frombuffer(generator.bytes(rows * -(-count // 8)), np.uint8).reshape(rows, -1)
        far += int(np.count_nonzero(_as_far(np.unpackbits(drawn, axis=1, count=count), differences, observed)))
    return (1 + far) / (1 + draws)


def _as_far(patterns: NDArray[np.integer], differences: Floats, observed: float) -> NDArray[np.bool_]:
    """Which patterns (rows) of signs, 0 for minus, put the sum as far from 0 as observed."""
    flipped: NDArray[np.bool_] = np.abs(2 * (patterns.astype(np.float64) @ differences) - differences.sum()) >= observed
    return flipped


def _chunks(draws: int, width: int) -> Iterator[int]:
    rows = max(1, _CELLS // max(width, 1))
    for start in range(0, draws, rows):
        yield min(rows, draws - start)


def _column(values: ArrayLike) -> Floats:
    column = np.asarray(values, dtype=np.float64)
    if column.ndim != 1:
        raise ValueError(f"expected one value a photograph, got the shape {column.shape}")
    return column
