"""The metrics of a run, opened, and what they have still to measure."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from xaikit.errors import PluginContract
from xaikit.evaluation.cases import BLURRED
from xaikit.evaluation.declared import check_declared
from xaikit.evaluation.shard import LoadedMetric, control_evidence
from xaikit.evaluation.worth import worth_of
from xaikit.metric import Metric, reads_of
from xaikit.registry import Registry
from xaikit.report.index import Index
from xaikit.schema.keys import Use
from xaikit.schema.plugins import instantiate
from xaikit.sources import Photograph
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
        try:
            check_declared(metric)
        except PluginContract as error:
            raise PluginContract(f"metric {each.name}: {error}") from error
        loaded[each.metric.id] = LoadedMetric(each.metric.id, each.name, metric)
    return loaded


def stored_metrics(
    groups: Iterable[Group], registry: Registry, base: Path, earlier: Iterable[StoredMetric] = ()
) -> tuple[StoredMetric, ...]:
    """The metrics of all groups as the plan keeps them, each once; each is judged itself, but those of an earlier plan."""
    named = {each.metric.id: each for group in groups for each in group.metrics}
    loaded = load_metrics(named.values(), registry, base)
    fails = {metric.id: metric.fails for metric in earlier}
    return tuple(
        _stored(named[key], one.metric, fails[key] if key in fails else worth_of(one.metric).fails)
        for key, one in loaded.items()
    )


def _stored(named: NamedMetric, metric: Metric, fails: str) -> StoredMetric:
    low, high = (float(end) if math.isfinite(end) else None for end in metric.range)
    return StoredMetric(
        id=named.metric.id,
        label=named.metric.label,
        name=named.name,
        use=named.metric.use,
        options=dict(named.metric.options),
        reads=reads_of(metric),
        family=str(getattr(metric, "family", "")),
        higher_is_better=bool(metric.higher_is_better),
        low=low,
        high=high,
        annotations=bool(metric.needs.annotations),
        others=bool(metric.needs.photographs),
        refines=hasattr(metric, "refine"),
        fails=fails,
    )


def missing_measures(
    index: Index,
    bench: str,
    photographs: Sequence[Photograph],
    judged: Collection[str],
    metrics: Sequence[StoredMetric],
    controls: bool,
) -> list[frozenset[tuple[str, str]]]:
    """Evidence and metric that the stored maps of each photograph have not been judged by.

    Args:
        photographs: in the order of the plan.
        judged: the evidence whose maps are of targets.
    """
    alone = control_evidence([trial for trial in index.trials if trial.bench == bench])
    about = ("name", "evidence", "column", "checksum", "metric", "control", "annotation")
    table = read_measures(index.store.folder, [bench], [metric.id for metric in metrics])
    measured = set(zip(*(table[name].to_pylist() for name in about), strict=True))
    missing: dict[str, set[tuple[str, str]]] = {photograph.name: set() for photograph in photographs}
    stated = _annotations(photographs) if any(metric.annotations for metric in metrics) else {}
    rows = index.rows()
    columns = (rows[name].to_pylist() for name in ("bench", *about[:4]))
    for of_bench, *case in zip(*columns, strict=True):
        name, evidence = case[:2]
        if of_bench != bench or evidence not in judged or name not in missing:
            continue
        variants = ("", BLURRED) if controls and evidence not in alone else ("",)
        missing[name] |= {
            (evidence, metric.id)
            for metric in metrics
            for control in variants
            if (*case, metric.id, control, stated.get(name, "") if metric.annotations else "") not in measured
        }
    return [frozenset(each) for each in missing.values()]


def _annotations(photographs: Iterable[Photograph]) -> Mapping[str, str]:
    """The digest of what the data states of each photograph, by name."""
    return {each.name: each.annotation.digest() for each in photographs if each.annotation is not None}
