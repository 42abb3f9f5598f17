"""Groups of trials compared on the photographs that they share."""

from __future__ import annotations

import itertools
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xaikit.analysis.measures import MEASURES
from xaikit.analysis.statistics import Interval, Paired, bootstrap, holm, paired
from xaikit.analysis.table import table, wanted
from xaikit.analysis.values import Values, values
from xaikit.errors import ConfigError
from xaikit.report import Report

By = Literal["label", "trial"]


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
            groups = [_said(group) for group in self.groups if group.measure == measure]
            pairs = [_tested(pair) for pair in self.pairs if pair.measure == measure]
            blocks += [f"{measure}: {MEASURES[measure]}", _aligned([means, *groups])]
            blocks += [_aligned([tests, *pairs])] if pairs else []
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
    for key in wanted(measure):
        rows = long.filter(pc.equal(long["measure"], key))
        if not _is_defined(rows):
            notes.append(f"{key}: not defined for any photograph")
            continue
        found = values(rows, by)
        present = {name: found[name] for name in names if name in found}
        groups += [draw.group(key, name, each) for name, each in present.items()]
        pairs += draw.pairs(key, present) if len(names) <= MOST_PAIRED else []
    if len(names) > MOST_PAIRED:
        notes.append(f"{len(names)} groups: pairs are tested of {MOST_PAIRED} at most, these are means only")
    return Comparison(by, level, tuple(groups), tuple(pairs), tuple(notes))


@dataclass(frozen=True)
class _Draw:
    level: float
    draws: int
    seed: int

    def group(self, measure: str, name: str, its: Values) -> GroupMean:
        generator = self._generator(measure, name)
        mean = bootstrap(its.by_photograph, level=self.level, draws=self.draws, generator=generator)
        return GroupMean(measure, name, mean, len(its.seeds), its.spread)

    def pairs(self, measure: str, groups: Mapping[str, Values]) -> list[Pair]:
        found = []
        for first, second in itertools.combinations(groups, 2):
            a, b = groups[first].shared(groups[second])
            generator = self._generator(measure, first, second)
            test = paired(a, b, level=self.level, draws=self.draws, generator=generator)
            found.append(Pair(measure, first, second, test, math.nan))
        adjusted = holm([pair.test.p for pair in found])
        return [replace(pair, adjusted=p) for pair, p in zip(found, adjusted, strict=True)]

    def _generator(self, *names: str) -> np.random.Generator:
        return np.random.default_rng([self.seed, zlib.crc32("\n".join(names).encode())])


def _is_defined(rows: pa.Table) -> bool:
    return bool(pc.any(pc.invert(pc.is_nan(rows["value"]))).as_py())


def _said(group: GroupMean) -> tuple[str, ...]:
    seen = group.mean
    spread = "" if group.seeds < 2 else _number(group.spread)
    counts = group.name, str(seen.count), str(seen.missing)
    return (*counts, _number(seen.mean), _interval(seen), str(group.seeds), spread)


def _tested(pair: Pair) -> tuple[str, ...]:
    test = pair.test
    counts = f"{pair.first} - {pair.second}", str(test.count), str(test.missing)
    return (*counts, _number(test.difference), _interval(test), _number(test.p), _number(pair.adjusted))


def _number(value: float) -> str:
    return f"{value:.4g}"


def _interval(seen: Interval | Paired) -> str:
    return f"[{_number(seen.low)}, {_number(seen.high)}]"


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    """The first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    cells = ([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])] for row in rows)
    return "\n".join("  ".join(row).rstrip() for row in cells)
