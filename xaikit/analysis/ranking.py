"""Which method is better, by which metric, and whether anybody may say so: the leaderboard of a run."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from xaikit.analysis.competitors import families, judged_of
from xaikit.analysis.opened import Run, opened
from xaikit.analysis.standings import SURE, Draws, Duel, MetricStandings, Standing, standings_of
from xaikit.analysis.statistics import Interval, Paired
from xaikit.errors import ConfigError


@dataclass(frozen=True)
class FamilyRank:
    """A method by all metrics of a family: the median of its ranks, and how far they are apart."""

    model: str
    family: str
    method: str
    median: float
    lowest: float
    highest: float
    metrics: int


@dataclass(frozen=True)
class Leaderboard:
    """The standings of a run; ``print`` shows them, ``rows`` has all numbers."""

    level: float
    metrics: tuple[MetricStandings, ...]
    families: tuple[FamilyRank, ...]
    flips: tuple[str, ...]

    def rows(self) -> list[dict[str, Any]]:
        """One a competitor and metric, unrounded."""
        return [_row(each, standing) for each in self.metrics for standing in each.standings]

    def plain(self) -> dict[str, Any]:
        """The same numbers as JSON knows them, None where there is none: what the page of a run shows."""
        metrics = [
            {
                "model": each.judged.model,
                "label": each.judged.label,
                "metric": each.judged.metric,
                "family": each.judged.family,
                "higher_is_better": each.judged.higher_is_better,
                "reliability": _defined(each.reliability),
                "fails": each.fails,
                "standings": [_plain_standing(standing) for standing in each.standings],
            }
            for each in self.metrics
        ]
        return {"level": self.level, "metrics": metrics, "flips": list(self.flips)}

    def duels(self) -> list[dict[str, Any]]:
        """One a pair of methods and metric, unrounded."""
        return [_duel_row(each, duel) for each in self.metrics for duel in each.duels]

    def sentences(self, first: str, second: str) -> list[str]:
        """What may be said of two methods, a sentence a metric and model.

        Raises:
            ConfigError: there is no such pair of methods.
        """
        pairs = ((each, duel) for each in self.metrics for duel in each.duels)
        sentences = [_sentence(each, duel) for each, duel in pairs if {duel.first, duel.second} == {first, second}]
        if not sentences:
            methods = dict.fromkeys(row["method"] for row in self.rows() if row["role"] == "method")
            raise ConfigError(f"expected two of {', '.join(methods)}, got {first!r} and {second!r}")
        return sentences


def leaderboard(
    report: Run, *, by: Literal["label", "trial"] = "label", level: float = 0.95, draws: int = 10_000, seed: int = 0
) -> Leaderboard:
    """Rank the methods of a run by everything that was measured.

    The photograph is what is drawn: targets and seeds are averaged before any test. A method is marked by the controls that it is
    not better than, with p-values adjusted by Holm over all controls of a metric.

    Args:
        report: of a run, or its folder.
        by: what competes: the trials of one label together, or each trial.
        level: of the intervals.
        draws: resamples of an interval, patterns of signs of a test.
        seed: of these draws.

    Raises:
        ConfigError: nothing has been measured.
    """
    if by not in ("label", "trial"):
        raise ConfigError(f"by: expected label or trial, got {by!r}")
    report = opened(report)
    judged = judged_of(report.measures, by)
    if not judged:
        raise ConfigError(
            f"{report.folder}: nothing has been measured: write metrics: quick in the config, or run xaikit evaluate RUN quick"
        )
    statistics = Draws(level, draws, seed)
    fails = {metric.printed: metric.fails for metric in report.index.metrics}
    metrics = tuple(standings_of(each, statistics, fails.get(each.metric, "")) for each in judged)
    return Leaderboard(level, metrics, tuple(_family_ranks(metrics)), tuple(_flips(metrics)))


def _family_ranks(metrics: Sequence[MetricStandings]) -> Iterator[FamilyRank]:
    by_judged = {id(each.judged): each for each in metrics}
    for model in dict.fromkeys(each.judged.model for each in metrics):
        for family, several in families([each.judged for each in metrics if each.judged.model == model]):
            ranks: dict[str, list[float]] = {}
            for judged in several:
                for standing in by_judged[id(judged)].standings:
                    if standing.competitor.role == "method":
                        ranks.setdefault(standing.competitor.name, []).append(standing.rank)
            for method, each in ranks.items():
                yield FamilyRank(model, family, method, float(np.median(each)), min(each), max(each), len(each))


def _flips(metrics: Sequence[MetricStandings]) -> Iterator[str]:
    """Where two metrics of one kind, which differ in an option or in the map they read, are both sure and disagree."""
    for one, other in itertools.combinations(metrics, 2):
        if one.judged.use != other.judged.use or one.judged.model != other.judged.model:
            continue
        winners: Mapping[tuple[str, str], Duel] = {(duel.first, duel.second): duel for duel in other.duels}
        for duel in one.duels:
            against = winners.get((duel.first, duel.second))
            if against is None or not (duel.adjusted < SURE and against.adjusted < SURE):
                continue
            if duel.test.difference * against.test.difference < 0:
                best, worst = (duel.first, duel.second) if duel.test.difference > 0 else (duel.second, duel.first)
                yield f"rank flip: {best} over {worst} by {one.judged.metric}, {worst} over {best} by {other.judged.metric}"


def _sentence(each: MetricStandings, duel: Duel) -> str:
    """The better one first."""
    test, won, names = duel.test, duel.won, (duel.first, duel.second)
    if test.difference < 0:
        test = Paired(-test.difference, -test.high, -test.low, test.p, test.count, test.missing)
        won, names = 1 - won, names[::-1]
    better, worse = names
    standing = {one.competitor.name: one for one in each.standings}
    about = f"By {each.judged.metric} on {each.judged.model}, "
    if (count := test.count - test.missing) < 2:
        alone = "one photograph alone" if count else "no photograph that both have a value on"
        means = f"{better} ({standing[better].mean.mean:.3f}) and {worse} ({standing[worse].mean.mean:.3f})"
        return f"{about}{means} were judged on {alone}, which is no sample: nothing follows for others."
    unbeaten = standing[better].unbeaten
    verdict = "is better than" if duel.adjusted < SURE else "cannot be told from"
    controls = f"; it is not better than {', '.join(unbeaten)}" if unbeaten else "; it beats every control"
    return (
        f"{about}{better} ({_with_interval(standing[better].mean)}) {verdict} {worse} "
        f"({_with_interval(standing[worse].mean)}): a paired difference of {test.difference:.3f} "
        f"[{test.low:.3f}, {test.high:.3f}] over {count} photographs, p = {duel.adjusted:.2g} after Holm "
        f"over {len(each.duels)} pairs, d = {abs(duel.effect):.2f}, better on {won:.0%} of them{controls}."
    )


def _with_interval(mean: Interval) -> str:
    return f"{mean.mean:.3f} [{mean.low:.3f}, {mean.high:.3f}]"


def _row(each: MetricStandings, standing: Standing) -> dict[str, Any]:
    mean = standing.mean
    return {
        "model": each.judged.model,
        "metric": each.judged.metric,
        "family": each.judged.family,
        "better": "higher" if each.judged.higher_is_better else "lower",
        "method": standing.competitor.name,
        "role": standing.competitor.role,
        "rank": standing.rank,
        "group": standing.group,
        "mean": mean.mean,
        "low": mean.low,
        "high": mean.high,
        "n": mean.count - mean.missing,
        "undefined": mean.missing,
        "dead": standing.dead,
        "ties": standing.ties,
        "chance": standing.chance,
        "seeds": standing.seeds,
        "does not beat": "; ".join(standing.unbeaten),
        "reliability": each.reliability,
        "fails": each.fails,
    }


def _plain_standing(standing: Standing) -> dict[str, Any]:
    mean = standing.mean
    numbers = {
        "rank": standing.rank,
        "mean": mean.mean,
        "low": mean.low,
        "high": mean.high,
        "chance": standing.chance,
        "dead": standing.dead,
        "ties": standing.ties,
    }
    return {
        "name": standing.competitor.name,
        "role": standing.competitor.role,
        "of": standing.competitor.of,
        "group": standing.group,
        "n": mean.count - mean.missing,
        "missing": mean.missing,
        "seeds": standing.seeds,
        "unbeaten": list(standing.unbeaten),
        **{name: _defined(value) for name, value in numbers.items()},
    }


def _defined(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _duel_row(each: MetricStandings, duel: Duel) -> dict[str, Any]:
    return {
        "model": each.judged.model,
        "metric": each.judged.metric,
        "method": duel.first,
        "minus": duel.second,
        "better by": duel.test.difference,
        "low": duel.test.low,
        "high": duel.test.high,
        "n": duel.test.count - duel.test.missing,
        "p": duel.test.p,
        "p (Holm)": duel.adjusted,
        "effect": duel.effect,
        "won": duel.won,
    }
