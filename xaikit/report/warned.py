"""The warnings of a run in few lines."""

from __future__ import annotations

import re
from collections import defaultdict

import pyarrow as pa
import pyarrow.compute as pc

from xaikit.report.index import Index

_COUNT = re.compile(r" \(\d+\)$")
"""How many maps of a photograph a warning is of, at its end."""


def grouped_warnings(index: Index, rows: pa.Table) -> tuple[str, ...]:
    """A line for each trial, layer and reason among the rows of a run, which says of how many photographs it holds."""
    warned = rows.filter(pc.greater(pc.list_value_length(rows["warnings"]), 0))
    if not warned.num_rows:
        return ()
    names: dict[tuple[str, str], set[str]] = defaultdict(set)
    for record, trial, _ in index.records(warned):
        for text in record.warnings:
            names[trial.name, _COUNT.sub("", text)].add(record.name)
    explained: dict[str, set[str]] = defaultdict(set)
    for bench, evidence, name in zip(*(rows[key].to_pylist() for key in ("bench", "evidence", "name")), strict=True):
        for trial in index.by_evidence[bench, evidence]:
            explained[trial.name].add(name)
    return tuple(
        f"{trial}, {layer}: {len(some)} of {len(explained[trial])} photographs: {reason}"
        for (trial, text), some in names.items()
        for layer, _, reason in [text.partition(": ")]
    )
