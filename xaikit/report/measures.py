"""What was measured, by trial: a row of the store serves all trials whose maps it is of."""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from xaikit.report.index import Index

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


def measures(index: Index) -> pa.Table:
    """A row for each photograph, trial, target, metric and control, in the order of the plan."""
    if not index.metrics:
        return MEASURED.empty_table()
    metrics = {metric.id: (place, metric) for place, metric in enumerate(index.metrics)}
    rows: list[tuple[Any, dict[str, Any]]] = []
    trials = {
        key: [(place, trial) for place, trial in enumerate(index.trials) if (trial.bench, trial.evidence) == key]
        for key in index.by_evidence
    }
    for row in index.measures().to_pylist():
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


def defined(table: pa.Table) -> pa.Table:
    """The rows that have a value."""
    return table.filter(pc.invert(pc.is_nan(pc.fill_null(table["value"], math.nan))))
