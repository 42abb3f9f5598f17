"""Groups of trials compared on the photographs that they share."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xaikit.analysis.measures import MEASURES
from xaikit.analysis.statistics import Interval, Paired, bootstrap, holm, paired
from xaikit.analysis.table import chosen_measures, table
from xaikit.analysis.values import Values, values_by
from xaikit.errors import ConfigError
from xaikit.report.report import Report
from xaikit.report.text import aligned

By = Literal["label", "trial"]


NUMBERS = range(1, 7)
"""The columns of the tables behind the names."""


MOST_PAIRED = 12
"""Groups of which all pairs are tested, 66 of them. Of more, the means are all that is given."""


@dataclass(frozen=True)
class GroupMean:
    """One label or trial by one measure.

    mean    of the values of its photographs, a photograph's being the mean over its targets, seeds and other axes
    seeds   how many
    spread  standard deviation (n - 1) of the means by seed; NaN for one seed
    """

    measure: str
    name: str
    mean: Interval
    seeds: int
    spread: float


@dataclass(frozen=True)
class Pair:
    """Two groups by one measure, on the photographs and targets that both have.

    test      of first - second
    adjusted  its p among those of all pairs by this measure (Holm)
    """

    measure: str
    first: str
    second: str
    test: Paired
    adjusted: float


@dataclass(frozen=True)
class Comparison:
    """Groups of trials by one or more measures; as text, up to two tables a measure.

    notes  what could not be compared, and why
    """

    by: By
    level: float
    groups: tuple[GroupMean, ...]
    pairs: tuple[Pair, ...]
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        blocks = []
        within = f"{100 * self.level:.4g} % interval"
        means: tuple[str, ...] = (self.by, "photographs", "undefined", "mean", within, "seeds", "sd of seeds")
        tests = ("difference of", "photographs", "undefined", "mean", within, "p", "p (Holm)")
        for measure in dict.fromkeys(group.measure for group in self.groups):
            groups = [_group_cells(group) for group in self.groups if group.measure == measure]
            pairs = [_pair_cells(pair) for pair in self.pairs if pair.measure == measure]
            blocks += [f"{measure}: {MEASURES[measure]}", aligned([means, *groups], NUMBERS)]
            blocks += [aligned([tests, *pairs], NUMBERS)] if pairs else []
        return "\n\n".join([*blocks, *self.notes])


def compare(
    report: Report,
    *,
    by: By = "label",
    measure: str | None = None,
    level: float = 0.95,
    draws: int = 10_000,
    seed: int = 0,
) -> Comparison:
    """Means of groups of trials, and all pairs of up to ``MOST_PAIRED`` groups tested on the photographs that both have.

    The photograph is what is drawn: its targets, seeds and other axes are averaged before any test.

    Args:
        by: what makes a group: the trials of one label, or one trial.
        measure: this one alone, see :data:`xaikit.analysis.measures.MEASURES`; None for all.
        level: of the intervals, see :func:`xaikit.analysis.statistics.bootstrap`.
        draws: resamples of an interval, and patterns of signs of a test.
        seed: of these draws; each interval and test has draws of its own, whatever else is compared.

    Raises:
        ConfigError: there is no such measure, or nothing of that name to group by.
        StoreError: the run is damaged.
    """
    if by not in ("label", "trial"):
        raise ConfigError(f"by: expected label or trial, got {by!r}")
    long = table(report, measure=measure)
    names = report.labels if by == "label" else report.names
    draw = _Draw(level, draws, seed)
    groups: list[GroupMean] = []
    pairs: list[Pair] = []
    notes: list[str] = []
    for key in chosen_measures(measure):
        rows = long.filter(pc.equal(long["measure"], key))
        if not _is_defined(rows):
            notes.append(f"{key}: not defined for any photograph")
            continue
        grouped = values_by(rows, by)
        present = {name: grouped[name] for name in names if name in grouped}
        groups += [draw.group(key, name, values) for name, values in present.items()]
        pairs += draw.pairs(key, present) if len(names) <= MOST_PAIRED else []
    if len(names) > MOST_PAIRED:
        notes.append(f"{len(names)} groups: pairs are tested of {MOST_PAIRED} at most, these are means only")
    return Comparison(by, level, tuple(groups), tuple(pairs), tuple(notes))


@dataclass(frozen=True)
class _Draw:
    level: float
    draws: int
    seed: int

    def group(self, measure: str, name: str, values: Values) -> GroupMean:
        generator = self._generator(measure, name)
        mean = bootstrap(values.by_photograph, level=self.level, draws=self.draws, generator=generator)
        return GroupMean(measure, name, mean, len(values.seeds), values.spread)

    def pairs(self, measure: str, groups: Mapping[str, Values]) -> list[Pair]:
        names = list(itertools.combinations(groups, 2))
        tests = [self._test(measure, groups, *pair) for pair in names]
        adjusted = holm([test.p for test in tests])
        return [Pair(measure, *pair, test, p) for pair, test, p in zip(names, tests, adjusted, strict=True)]

    def _test(self, measure: str, groups: Mapping[str, Values], first: str, second: str) -> Paired:
        a, b = groups[first].shared(groups[second])
        generator = self._generator(measure, first, second)
        return paired(a, b, level=self.level, draws=self.draws, generator=generator)

    def _generator(self, *names: str) -> np.random.Generator:
        return np.random.default_rng([self.seed, zlib.crc32("\n".join(names).encode())])


def _is_defined(rows: pa.Table) -> bool:
    return bool(pc.any(pc.invert(pc.is_nan(rows["value"]))).as_py())


def _group_cells(group: GroupMean) -> tuple[str, ...]:
    mean = group.mean
    spread = "" if group.seeds < 2 else _number(group.spread)
    counts = group.name, str(mean.count), str(mean.missing)
    return (*counts, _number(mean.mean), _interval(mean), str(group.seeds), spread)


def _pair_cells(pair: Pair) -> tuple[str, ...]:
    test = pair.test
    counts = f"{pair.first} - {pair.second}", str(test.count), str(test.missing)
    return (*counts, _number(test.difference), _interval(test), _number(test.p), _number(pair.adjusted))


def _number(value: float) -> str:
    return f"{value:.4g}"


def _interval(interval: Interval | Paired) -> str:
    return f"[{_number(interval.low)}, {_number(interval.high)}]"
