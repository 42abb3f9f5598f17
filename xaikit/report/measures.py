"""What was measured, by trial: a row of the store serves all trials whose maps it is of."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from xaikit.errors import PluginContract
from xaikit.registry import Registry
from xaikit.report.index import Index
from xaikit.schema.keys import Use
from xaikit.schema.plugins import instantiate
from xaikit.store.measures import StoredMetric

MEASURED = pa.schema(
    [
        pa.field("name", pa.string()),  # of the photograph
        pa.field("trial", pa.string()),
        pa.field("label", pa.string()),
        pa.field("model", pa.string()),
        pa.field("column", pa.int16()),
        pa.field("seed", pa.int64()),
        pa.field("metric", pa.string()),  # as printed: name, options and which map it judges
        pa.field("metric_use", pa.string()),  # the plugin
        pa.field("metric_label", pa.string()),
        pa.field("metric_name", pa.string()),
        pa.field("family", pa.string()),
        pa.field("higher_is_better", pa.bool_()),
        pa.field("control", pa.string()),  # "" for the map itself, "blurred" for a blurred copy of it
        pa.field("is_control", pa.bool_()),  # whether the method is there to be beaten
        pa.field("value", pa.float64()),  # NaN where there is none
        pa.field("chance", pa.float64()),
        pa.field("dead", pa.bool_()),
        pa.field("reason", pa.string()),
        pa.field("numbers", pa.string()),
        pa.field("seconds", pa.float32()),
        pa.field("image", pa.string()),
    ]
)
"""The columns of :meth:`xaikit.Report.measures`, and of the view ``measures``."""

_OF_ROW = ("name", "column", "control", "value", "chance", "dead", "reason", "numbers", "seconds", "image")


def measures(index: Index, registry: Registry) -> pa.Table:
    """A row for each photograph, trial, target, metric and control, in the order of the plan.

    Args:
        registry: where metrics come from whose values depend on all photographs.
    """
    if not index.metrics:
        return MEASURED.empty_table()
    metrics = {metric.id: (place, metric) for place, metric in enumerate(index.metrics)}
    rows: list[tuple[Any, dict[str, Any]]] = []
    trials = {
        key: [(place, trial) for place, trial in enumerate(index.trials) if (trial.bench, trial.evidence) == key]
        for key in index.by_evidence
    }
    for row in _refined(index.measures().to_pylist(), index, registry):
        at, metric = metrics[row["metric"]]
        position = index.photographs[row["bench"]][row["name"]].position
        for place, trial in trials[row["bench"], row["evidence"]]:
            about = {
                "trial": trial.name,
                "label": trial.label,
                "model": trial.model,
                "seed": trial.seed,
                "metric": metric.printed,
                "metric_use": metric.use,
                "metric_label": metric.label,
                "metric_name": metric.name,
                "family": metric.family,
                "higher_is_better": metric.higher_is_better,
                "is_control": trial.control,
            }
            order = (at, place, position, row["column"], row["control"])
            rows.append((order, {**{name: row[name] for name in _OF_ROW}, **about}))
    return pa.Table.from_pylist([row for _, row in sorted(rows, key=lambda each: each[0])], schema=MEASURED)


def _refined(rows: list[dict[str, Any]], index: Index, registry: Registry) -> list[dict[str, Any]]:
    """Rows with the final values of metrics that look at all photographs of one method."""
    refining = {metric.id: metric for metric in index.metrics if metric.refines}
    together: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        if row["metric"] in refining and math.isfinite(row["value"]):
            together[tuple(row[name] for name in ("metric", "bench", "evidence", "column", "control"))].append(row)
    for (metric, *_), several in together.items():
        _refine(several, refining[metric], index, registry)
    return rows


def _refine(rows: Sequence[dict[str, Any]], stored: StoredMetric, index: Index, registry: Registry) -> None:
    try:
        base = Path(index.store.plan().get("base", "."))
        metric = instantiate("metric", Use(stored.use, stored.options), registry, base)
        values = metric.refine([json.loads(row["numbers"]) for row in rows])
        final: list[dict[str, Any]] = [{"value": float(value)} for value in values]
        if len(final) != len(rows):
            raise PluginContract(f"expected {len(rows)} values, one a photograph, got {len(final)}")
    except Exception as error:  # a metric is anybody's code, and may be gone or not trusted by now
        final = [{"value": math.nan, "reason": f"refine: {type(error).__name__}: {error}"}] * len(rows)
    for row, each in zip(rows, final, strict=True):
        row.update(each)
