"""The metrics of a run, opened, and what they have still to measure."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from xaikit.evaluation.cases import BLURRED
from xaikit.evaluation.shard import LoadedMetric, control_evidence
from xaikit.metric import explanations_of, further_of, reads_of
from xaikit.registry import Registry
from xaikit.report.index import Index
from xaikit.schema.keys import Use
from xaikit.schema.plugins import instantiate
from xaikit.store.measures import StoredMetric, read_measures
from xaikit.trials.metric import NamedMetric
from xaikit.trials.placement import Group


def load_metrics(named: Iterable[NamedMetric], registry: Registry, base: Path) -> dict[str, LoadedMetric]:
    """Metrics by id.

    Raises:
        PluginContract: one declares what is none of its kind.
    """
    loaded = {}
    for each in named:
        metric = instantiate("metric", Use(each.metric.use, each.metric.options), registry, base)
        for declared in (reads_of, further_of, explanations_of):
            declared(metric)
        loaded[each.metric.id] = LoadedMetric(each.metric.id, each.name, metric)
    return loaded


def stored_metrics(groups: Iterable[Group], registry: Registry, base: Path) -> tuple[StoredMetric, ...]:
    """The metrics of all groups as the plan keeps them, each once."""
    named = {each.metric.id: each for group in groups for each in group.metrics}
    loaded = load_metrics(named.values(), registry, base)
    return tuple(_stored(named[key], one.metric) for key, one in loaded.items())


def _stored(named: NamedMetric, metric: object) -> StoredMetric:
    low, high = (float(end) if math.isfinite(end) else None for end in metric.range)  # type: ignore[attr-defined]
    return StoredMetric(
        id=named.metric.id,
        label=named.metric.label,
        name=named.name,
        use=named.metric.use,
        options=dict(named.metric.options),
        reads=reads_of(metric),  # type: ignore[arg-type]
        family=str(getattr(metric, "family", "")),
        higher_is_better=bool(metric.higher_is_better),  # type: ignore[attr-defined]
        low=low,
        high=high,
    )


def missing_measures(
    index: Index, bench: str, names: Sequence[str], judged: Collection[str], metrics: Sequence[str], controls: bool
) -> list[frozenset[tuple[str, str]]]:
    """Evidence and metric that the stored maps of each photograph have not been judged by.

    Args:
        names: of the photographs, in the order of the plan.
        judged: the evidence whose maps are of targets.
    """
    alone = control_evidence([trial for trial in index.trials if trial.bench == bench])
    about = ("name", "evidence", "column", "checksum", "metric", "control")
    table = read_measures(index.store.folder, [bench], metrics)
    measured = set(zip(*(table[name].to_pylist() for name in about), strict=True))
    missing: dict[str, set[tuple[str, str]]] = {name: set() for name in names}
    rows = index.rows()
    columns = (rows[name].to_pylist() for name in ("bench", *about[:4]))
    for of_bench, name, evidence, column, checksum in zip(*columns, strict=True):
        if of_bench != bench or evidence not in judged or name not in missing:
            continue
        variants = ("", BLURRED) if controls and evidence not in alone else ("",)
        missing[name] |= {
            (evidence, metric)
            for metric in metrics
            if any((name, evidence, column, checksum, metric, control) not in measured for control in variants)
        }
    return [frozenset(missing[name]) for name in names]
