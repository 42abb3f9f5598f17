"""Groups of trials compared on the photographs that they share."""

from __future__ import annotations

import itertools
import math
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xaikit.analysis.measures import MEASURES
from xaikit.analysis.opened import Run, opened
from xaikit.analysis.statistics import Interval, Paired, bootstrap, holm, paired
from xaikit.analysis.table import chosen_measures, known_measures, table
from xaikit.analysis.truth import Only, known_predictions, only_of, sentences
from xaikit.analysis.values import PHOTOGRAPH, TARGET, means, rows_by, shared, spread
from xaikit.errors import ConfigError
from xaikit.plain.values import spelling
from xaikit.report.text import aligned
from xaikit.store.trials import StoredTrial

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

    notes     what a group is the mean of, beside photographs; what could not be compared, and why
    measures  what each says, by its name
    """

    by: By
    level: float
    groups: tuple[GroupMean, ...]
    pairs: tuple[Pair, ...]
    notes: tuple[str, ...] = ()
    measures: Mapping[str, str] = field(default_factory=lambda: MEASURES)

    def rows(self) -> list[dict[str, Any]]:
        """All numbers, unrounded, as rows of one table: a mean each, and the difference of ``group`` and ``minus``."""
        of_groups = [
            {"measure": each.measure, "group": each.name, "minus": "", **_numbers(each.mean, each.mean.mean)}
            | {"seeds": each.seeds, "sd of seeds": each.spread, "p": math.nan, "p (Holm)": math.nan}
            for each in self.groups
        ]
        of_pairs = [
            {"measure": each.measure, "group": each.first, "minus": each.second}
            | _numbers(each.test, each.test.difference)
            | {"seeds": None, "sd of seeds": math.nan, "p": each.test.p, "p (Holm)": each.adjusted}
            for each in self.pairs
        ]
        return [*of_groups, *of_pairs]

    def __str__(self) -> str:
        blocks = []
        within = f"{100 * self.level:.4g} % interval"
        means: tuple[str, ...] = (self.by, "photographs", "undefined", "mean", within, "seeds", "sd of seeds")
        tests = ("difference of", "photographs", "undefined", "mean", within, "p", "p (Holm)")
        for measure in dict.fromkeys(group.measure for group in self.groups):
            groups = [_group_cells(group) for group in self.groups if group.measure == measure]
            pairs = [_pair_cells(pair) for pair in self.pairs if pair.measure == measure]
            blocks += [f"{measure}: {self.measures[measure]}", aligned([means, *groups], NUMBERS)]
            blocks += [aligned([tests, *pairs], NUMBERS)] if pairs else []
        return "\n\n".join([*blocks, *self.notes])


def compare(
    report: Run,
    *,
    by: By = "label",
    measure: str | None = None,
    only: Only | None = None,
    level: float = 0.95,
    draws: int = 10_000,
    seed: int = 0,
) -> Comparison:
    """Means of groups of trials, and all pairs of up to ``MOST_PAIRED`` groups tested on the photographs that both have.

    The photograph is what is drawn: its targets, seeds and other axes are averaged before any test.

    Args:
        report: of a run, or its folder.
        by: what makes a group: the trials of one label, or one trial.
        measure: this one alone, see :func:`xaikit.analysis.table.known_measures`; None for all.
        only: the photographs on which the model is right, or wrong, where the data state their classes.
        level: of the intervals, see :func:`xaikit.analysis.statistics.bootstrap`.
        draws: resamples of an interval, and patterns of signs of a test.
        seed: of these draws; each interval and test has draws of its own, whatever else is compared.

    Raises:
        ConfigError: there is no such measure, or nothing of that name to group by.
        StoreError: the run is damaged, or there is none in the folder.
    """
    if by not in ("label", "trial"):
        raise ConfigError(f"by: expected label or trial, got {by!r}")
    report = opened(report)
    predictions = known_predictions(report)
    long = only_of(table(report, measure=measure), predictions, only)
    names = report.labels if by == "label" else report.names

    def draw(*of: str) -> Mapping[str, Any]:
        generator = np.random.default_rng([seed, zlib.crc32("\n".join(of).encode())])
        return {"level": level, "draws": draws, "generator": generator}

    groups: list[GroupMean] = []
    pairs: list[Pair] = []
    notes = [*sentences(predictions, only), *_pooled([trial for trial in report.trials if not trial.control], by)]
    for key in chosen_measures(report, measure):
        rows = long.filter(pc.equal(long["measure"], key))
        if np.isnan(rows["value"].to_numpy()).all():
            notes.append(f"{key}: not defined for any photograph")
            continue
        grouped = rows_by(rows, by)
        present = {name: grouped[name] for name in names if name in grouped}
        for name, group in present.items():
            mean = bootstrap(np.asarray(means(group, PHOTOGRAPH)["value"]), **draw(key, name))
            groups.append(GroupMean(key, name, mean, pc.count_distinct(group["seed"]).as_py(), spread(group)))
        pairs += _pairs(key, present, draw) if len(names) <= MOST_PAIRED else []
    if len(names) > MOST_PAIRED:
        notes.append(f"{len(names)} groups: pairs are tested of {MOST_PAIRED} at most, these are means only")
    return Comparison(by, level, tuple(groups), tuple(pairs), tuple(notes), known_measures(report))


def _pooled(trials: Sequence[StoredTrial], by: By) -> Iterator[str]:
    """What each group is a mean over, beside its photographs and seeds, which the table counts."""
    groups: dict[str, list[StoredTrial]] = defaultdict(list)
    for trial in trials:
        groups[trial.label if by == "label" else trial.name].append(trial)
    pooled: dict[str, list[str]] = defaultdict(list)
    for name, several in groups.items():
        over = [key for key, value in _axes(several) if len(set(value)) > 1]
        if over:
            pooled[f"{len(several)} trials each, over {', '.join(over)}"].append(name)
    for what, names in pooled.items():
        apart = "; by trial they are told apart (--by trial)" if by == "label" else ""
        yield f"{', '.join(names)}: means of {what}{apart}"


def _axes(trials: Sequence[StoredTrial]) -> Iterator[tuple[str, list[str]]]:
    """What may differ between the trials of a group, and what it is in each."""
    yield "layers", [" + ".join(trial.layers) for trial in trials]
    yield "model", [trial.model for trial in trials]
    yield "data", [trial.data for trial in trials]
    swept = dict.fromkeys(key for trial in trials for key in trial.where)
    for key in [key for key in swept if key not in ("seed", "layers", "model", "data")]:
        yield key, [spelling(trial.where.get(key)) for trial in trials]


def _numbers(of: Interval | Paired, mean: float) -> dict[str, Any]:
    return {"photographs": of.count, "undefined": of.missing, "mean": mean, "low": of.low, "high": of.high}


def _pairs(measure: str, groups: Mapping[str, pa.Table], draw: Callable[..., Mapping[str, Any]]) -> list[Pair]:
    by_target = {name: means(rows, TARGET) for name, rows in groups.items()}
    names = list(itertools.combinations(groups, 2))
    tests = [paired(*shared(by_target[a], by_target[b]), **draw(measure, a, b)) for a, b in names]
    adjusted = holm([test.p for test in tests])
    return [Pair(measure, *pair, test, p) for pair, test, p in zip(names, tests, adjusted, strict=True)]


def _group_cells(group: GroupMean) -> tuple[str, ...]:
    spread = "" if group.seeds < 2 else _number(group.spread)
    return _cells(group.name, group.mean.mean, group.mean, str(group.seeds), spread)


def _pair_cells(pair: Pair) -> tuple[str, ...]:
    test = pair.test
    return _cells(f"{pair.first} - {pair.second}", test.difference, test, _number(test.p), _number(pair.adjusted))


def _cells(name: str, mean: float, of: Interval | Paired, *more: str) -> tuple[str, ...]:
    interval = f"[{_number(of.low)}, {_number(of.high)}]"
    return name, str(of.count), str(of.missing), _number(mean), interval, *more


def _number(value: float) -> str:
    return f"{value:.4g}"
