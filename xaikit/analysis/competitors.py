"""What metrics say of each method as arrays over the same photographs: methods, their blurred copies, and controls."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from xaikit.analysis.values import Floats

Role = Literal["method", "blurred", "control"]


@dataclass(frozen=True)
class Competitor:
    """Who is ranked.

    name  a label, or that of a blurred copy
    role  a method, a blurred copy of one, or a control
    of    the label that it is, or is a copy of
    """

    name: str
    role: Role
    of: str


@dataclass(frozen=True)
class Judged:
    """One metric on one model: the value of each competitor on each photograph, the mean of its targets and seeds.

    metric            as printed
    label             of the metric in the config
    use               the plugin behind it
    family            "" where it says none
    photographs       in the order of the arrays
    values, chances   by the name of a competitor; NaN where there is none
    dead, ties        the share of maps that say nothing, and of places that tie (NaN where a metric ranks none), likewise
    seeds             draws of the method that were averaged
    """

    model: str
    metric: str
    label: str
    use: str
    family: str
    higher_is_better: bool
    competitors: tuple[Competitor, ...]
    photographs: tuple[str, ...]
    values: Mapping[str, Floats]
    chances: Mapping[str, float]
    dead: Mapping[str, float]
    ties: Mapping[str, float]
    seeds: Mapping[str, int]

    @property
    def sign(self) -> int:
        """1 where more is better, else -1."""
        return 1 if self.higher_is_better else -1

    def of_role(self, *roles: Role) -> list[Competitor]:
        """Those of some roles."""
        return [each for each in self.competitors if each.role in roles]

    @property
    def controls(self) -> list[Competitor]:
        """All that is there to be beaten by every method."""
        return self.of_role("control")


def judged_of(measures: pa.Table, by: str = "label") -> list[Judged]:
    """The rows of :meth:`xaikit.Report.measures`, by model and metric in their order.

    Args:
        by: ``label`` or ``trial``: what makes one competitor.
    """
    grouped: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for row in measures.to_pylist():
        grouped[row["model"], row["metric"]].append(row)
    return [_judged(model, metric, rows, by) for (model, metric), rows in grouped.items()]


def _judged(model: str, metric: str, rows: Sequence[Mapping[str, Any]], by: str) -> Judged:
    photographs = tuple(dict.fromkeys(row["name"] for row in rows))
    places = {name: place for place, name in enumerate(photographs)}
    by_competitor: dict[Competitor, list[Mapping[str, Any]]] = defaultdict(list)
    labels = {row[by] for row in rows}
    for row in rows:
        by_competitor[_competitor(row, by, labels)].append(row)
    first = rows[0]
    return Judged(
        model=model,
        metric=metric,
        label=first["metric_label"],
        use=first["metric_use"],
        family=first["family"],
        higher_is_better=first["higher_is_better"],
        competitors=tuple(by_competitor),
        photographs=photographs,
        values={each.name: _means(several, "value", places) for each, several in by_competitor.items()},
        chances={each.name: mean_of(row["chance"] for row in several) for each, several in by_competitor.items()},
        dead={each.name: mean_of(float(row["dead"]) for row in several) for each, several in by_competitor.items()},
        ties={each.name: mean_of(map(_ties, several)) for each, several in by_competitor.items()},
        seeds={each.name: len({row["seed"] for row in several}) for each, several in by_competitor.items()},
    )


def _competitor(row: Mapping[str, Any], by: str, labels: Collection[str]) -> Competitor:
    if row["control"]:
        name = f"{row[by]}, {row['control']}"
        while name in labels:  # anybody may call a method like that
            name += " copy"
        return Competitor(name, "blurred", row[by])
    return Competitor(row[by], "control" if row["is_control"] else "method", row[by])


def _means(rows: Iterable[Mapping[str, Any]], column: str, places: Mapping[str, int]) -> Floats:
    """By photograph: over the targets and seeds that are defined, so that one draw counts no more than another."""
    values: dict[int, list[float]] = defaultdict(list)
    for row in rows:
        values[places[row["name"]]].append(row[column])
    means = np.full(len(places), math.nan)
    for place, several in values.items():
        means[place] = mean_of(several)
    return means


def mean_of(values: Iterable[float]) -> float:
    """Of those that are defined; NaN where none is."""
    defined = [value for value in values if value is not None and not math.isnan(value)]
    return sum(defined) / len(defined) if defined else math.nan


def _ties(row: Mapping[str, Any]) -> float:
    ties = json.loads(row["numbers"] or "{}").get("ties", math.nan)
    return float(ties) if isinstance(ties, int | float) else math.nan


def families(judged: Sequence[Judged]) -> Iterator[tuple[str, list[Judged]]]:
    """Metrics by their family, in order."""
    for family in dict.fromkeys(each.family for each in judged):
        yield family, [each for each in judged if each.family == family]
