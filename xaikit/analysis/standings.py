"""One metric: where each competitor stands, whom it beats, and what the metric itself is worth."""

from __future__ import annotations

import itertools
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from xaikit.analysis.competitors import Competitor, Judged
from xaikit.analysis.statistics import Interval, Paired, bootstrap, holm, paired
from xaikit.analysis.values import Floats

SURE = 0.05
"""p-values, adjusted for all tests of a metric, from which on a difference is said to be one."""

ROUNDING = 1e-6
"""Of the larger of two values: scores of one network come no closer."""

SPLITS = 200
"""Halves of the photographs by which a metric's reliability is told."""


@dataclass(frozen=True)
class Standing:
    """One competitor by one metric.

    mean       over photographs, with its bootstrap interval; ``mean.missing`` is how many have no value
    rank       1 for the best of the methods; NaN for controls
    group      methods with a letter in common cannot be told apart (critical difference)
    chance     what maps get that know nothing, the mean; NaN where a metric does not say
    dead, ties shares of maps that say nothing, and of places that tie
    unbeaten   the controls that it is not better than, its own blurred copy among them
    """

    competitor: Competitor
    mean: Interval
    rank: float
    group: str
    chance: float
    dead: float
    ties: float
    unbeaten: tuple[str, ...]
    seeds: int


@dataclass(frozen=True)
class Duel:
    """Two competitors on the same photographs; positive where the first is better.

    test      the difference, its interval and p-value
    adjusted  that p-value by Holm over all pairs of methods
    effect    the mean difference in standard deviations of it
    won       the share of photographs that the first wins, ties by halves; equal but for rounding is a tie
    """

    first: str
    second: str
    test: Paired
    adjusted: float
    effect: float
    won: float


@dataclass(frozen=True)
class MetricStandings:
    """All that a metric says.

    fails        what the metric gets wrong where the truth is known, "" where nothing
    reliability  Spearman's rank correlation of the methods' means on two halves of the photographs, the mean over splits
    critical     by how much mean ranks must differ (Nemenyi); NaN for fewer than two methods
    """

    judged: Judged
    standings: tuple[Standing, ...]
    duels: tuple[Duel, ...]
    reliability: float
    critical: float
    fails: str = ""

    @property
    def is_reliable(self) -> bool:
        """Whether other photographs would give about the same order."""
        return not self.reliability < 0.5


@dataclass(frozen=True)
class Draws:
    """What intervals and tests are drawn by."""

    level: float
    count: int
    seed: int

    def generator(self, *of: str) -> np.random.Generator:
        """One of its own for each question, whatever else is asked."""
        return np.random.default_rng([self.seed, zlib.crc32("\n".join(of).encode())])

    def interval(self, values: Floats, *of: str) -> Interval:
        """See :func:`xaikit.analysis.statistics.bootstrap`."""
        return bootstrap(values, level=self.level, draws=self.count, generator=self.generator(*of))

    def test(self, one: Floats, other: Floats, *of: str) -> Paired:
        """See :func:`xaikit.analysis.statistics.paired`."""
        return paired(one, other, level=self.level, draws=self.count, generator=self.generator(*of))


def standings_of(judged: Judged, draws: Draws, fails: str = "") -> MetricStandings:
    """All that a metric says of the competitors that it has judged."""
    about = (judged.model, judged.metric)
    methods = judged.of_role("method")
    table = np.stack([judged.sign * judged.values[each.name] for each in methods]) if methods else np.empty((0, 0))
    mean_ranks, critical = _ranks(table)
    letters = _letters(mean_ranks, critical)
    unbeaten = _unbeaten(judged, draws)
    standings = []
    order = stats.rankdata([-_mean(row) for row in table]) if methods else []
    for competitor in judged.competitors:
        place = methods.index(competitor) if competitor in methods else None
        standings.append(
            Standing(
                competitor,
                draws.interval(judged.values[competitor.name], *about, competitor.name),
                math.nan if place is None else float(order[place]),
                "" if place is None else letters[place],
                judged.chances[competitor.name],
                judged.dead[competitor.name],
                judged.ties[competitor.name],
                unbeaten.get(competitor.name, ()),
                judged.seeds[competitor.name],
            )
        )
    standings.sort(
        key=lambda each: (each.competitor.role != "method", -judged.sign * _or_lowest(each.mean.mean, judged))
    )
    duels = _duels(judged, methods, draws)
    return MetricStandings(
        judged, tuple(standings), duels, _reliability(table, draws.generator(*about)), critical, fails
    )


def _mean(values: Floats) -> float:
    defined = values[np.isfinite(values)]
    return float(defined.mean()) if len(defined) else -math.inf


def _or_lowest(value: float, judged: Judged) -> float:
    return -judged.sign * math.inf if math.isnan(value) else value


def _ranks(table: Floats) -> tuple[Floats, float]:
    """The mean rank of each method (rows) over the photographs that all have values of, and the critical difference of two
    (Demšar 2006, JMLR 7:1-30, section 3.2.2, after Nemenyi 1963), which keeps its level over all pairs by itself: no Friedman
    test has to come before. A method without any value has no rank, and costs others none.
    """
    valued, whole = _whole(table)
    ranks, count = np.full(len(table), math.nan), len(whole)
    if count < 2 or whole.shape[1] < 2:
        return ranks, math.nan
    ranks[valued] = stats.rankdata(-whole, axis=0).mean(1)
    quantile = stats.studentized_range.ppf(1 - SURE, count, math.inf) / math.sqrt(2)
    return ranks, float(quantile * math.sqrt(count * (count + 1) / (6 * whole.shape[1])))


def _whole(table: Floats) -> tuple[NDArray[np.intp], Floats]:
    """Which rows have a value at all, and these over the columns in which all of them have one."""
    valued = np.flatnonzero(np.isfinite(table).any(1))
    rows = table[valued]
    return valued, rows[:, np.isfinite(rows).all(0)]


def _letters(ranks: Floats, critical: float) -> list[str]:
    """Letters of the largest groups within the critical difference, the best group ``a``; none of a rank that is NaN."""
    letters = ["" for _ in ranks]
    if math.isnan(critical):
        return letters
    order = [place for place in np.argsort(ranks, kind="stable") if not math.isnan(ranks[place])]
    reached, letter = -1, iter("abcdefghijklmnopqrstuvwxyz" * 4)
    for first, place in enumerate(order):
        last = max(other for other in range(len(order)) if ranks[order[other]] - ranks[place] <= critical)
        if last <= reached:
            continue
        name = next(letter)
        for other in order[first : last + 1]:
            letters[other] += name
        reached = last
    return letters


def _unbeaten(judged: Judged, draws: Draws) -> dict[str, tuple[str, ...]]:
    """By method, the controls that it is not better than; one without any value, as a constant map often is, is none of them."""
    tests: list[tuple[str, str, float]] = []
    valued = [each for each in judged.competitors if np.isfinite(judged.values[each.name]).any()]
    for method in judged.of_role("method"):
        for control in valued:
            if not (control.role == "control" or (control.role == "blurred" and control.of == method.of)):
                continue
            one, other = (judged.sign * judged.values[each.name] for each in (method, control))
            test = draws.test(one, other, judged.model, judged.metric, method.name, control.name)
            tests.append((method.name, control.name, test.p if test.difference > 0 else 1.0))
    adjusted = holm([p for _, _, p in tests])
    unbeaten: dict[str, tuple[str, ...]] = {}
    for (method_name, control_name, _), p in zip(tests, adjusted, strict=True):
        if not p < SURE:
            unbeaten[method_name] = (*unbeaten.get(method_name, ()), control_name)
    return unbeaten


def _duels(judged: Judged, methods: Sequence[Competitor], draws: Draws) -> tuple[Duel, ...]:
    """All pairs of methods."""
    duels: list[Duel] = []
    for first, second in itertools.combinations(methods, 2):
        one, other = (judged.sign * judged.values[each.name] for each in (first, second))
        test = draws.test(one, other, judged.model, judged.metric, first.name, second.name)
        difference = (one - other)[np.isfinite(one - other)]
        deviation = float(difference.std(ddof=1)) if len(difference) > 1 else math.nan
        won = float(_won(one, other).mean()) if len(difference) else math.nan
        effect = test.difference / deviation if deviation > 0 else math.nan
        duels.append(Duel(first.name, second.name, test, math.nan, effect, won))
    adjusted = holm([duel.test.p for duel in duels])
    return tuple(
        Duel(each.first, each.second, each.test, p, each.effect, each.won)
        for each, p in zip(duels, adjusted, strict=True)
    )


def _won(one: Floats, other: Floats) -> Floats:
    """By photograph that both have: 1 where the first is better, 0 where the second, 1/2 where but rounding tells them apart."""
    both = np.isfinite(one - other)
    difference, largest = (one - other)[both], np.maximum(np.abs(one), np.abs(other))[both]
    return np.where(np.abs(difference) <= ROUNDING * largest, 0.5, np.sign(difference) / 2 + 0.5)


def _reliability(table: Floats, generator: np.random.Generator) -> float:
    """NaN for fewer than three methods or four photographs."""
    _, whole = _whole(table)
    if len(whole) < 3 or whole.shape[1] < 4:
        return math.nan
    correlations = []
    for _ in range(SPLITS):
        order = generator.permutation(whole.shape[1])
        halves = [whole[:, part].mean(1) for part in np.array_split(order, 2)]
        if all(np.ptp(half) > 0 for half in halves):
            correlations.append(stats.spearmanr(*halves).statistic)
    return float(np.mean(correlations)) if correlations else math.nan
