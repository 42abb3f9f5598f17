"""The plan, written to the folder: what it is to hold, the photographs with their stems, and what is taken over."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any

import pyarrow as pa

from xaikit._version import __version__
from xaikit.errors import DamagedFile
from xaikit.planning.missing import MissingEvidence
from xaikit.runner.prepare import PreparedBench, PreparedRun
from xaikit.sources import Photograph
from xaikit.store.measures import StoredMetric, adopt_measures
from xaikit.store.names import DataName, data_of, model_of, stems_of_places
from xaikit.store.rows import committed_now, identity_of
from xaikit.store.store import Store
from xaikit.store.trials import to_table


def freeze_plan(run: PreparedRun, store: Store, missing: Sequence[MissingEvidence]) -> None:
    """Write the plan to the folder, and take over what that holds under other names."""
    config = run.config
    plan = {
        "config": config.written(),
        "base": config.base,
        "version": __version__,
        "device": config.device,
        "threads": run.job.threads,
        "batch_size": config.data.batch_size,
        "shard": config.report.shard,
        "maps": config.report.maps,
        "points": run.points,
        "chunks": [bench.plan.chunks for bench in run.benches],
        "benches": list(run.job.keys),
        "metrics": [metric.plain() for metric in run.metrics],
    }
    tables = [_photographs(*each) for each in zip(run.benches, missing, _stems(run, store), strict=True)]
    store.write_plan(plan, to_table(run.trials()), pa.concat_tables(tables))
    for bench, each in zip(run.benches, missing, strict=True):
        if each.adopted.num_rows:
            _adopt(store, bench.key, each.adopted)
            _adopt_measures(store, bench, each.adopted, run.metrics)


def _stems(run: PreparedRun, store: Store) -> list[list[str]]:
    """By bench, the stem of each photograph. Photographs of one name have one stem if they are of the same data."""
    of_benches = [[DataName(data_of(bench.key), each.name) for each in bench.photographs] for bench in run.benches]
    # the pictures of photographs that the folder has already lie under their stems
    existing = {DataName(data_of(row["bench"]), row["name"]): row["stem"] for row in _stored_photographs(store)}
    chosen = stems_of_places([place for places in of_benches for place in places], existing)
    return [[chosen[place] for place in places] for places in of_benches]


def _stored_photographs(store: Store) -> list[dict[str, Any]]:
    """Those of the plan before; none where that is new, or lost."""
    try:
        rows: list[dict[str, Any]] = store.photographs().to_pylist()
    except DamagedFile:
        return []
    return rows


def _photographs(bench: PreparedBench, missing: MissingEvidence, chosen: Sequence[str]) -> pa.Table:
    names = [photograph.name for photograph in bench.photographs]
    return pa.table(
        {
            "bench": pa.array([bench.key] * len(names), pa.string()),
            "position": pa.array(range(len(names)), pa.int64()),
            "name": pa.array(names, pa.string()),
            "stem": pa.array(chosen, pa.string()),
            "image": pa.array([missing.digests.get(name) for name in names], pa.string()),
            "truth": pa.array(missing.truths, pa.int32()),
            "truth_name": pa.array(map(_truth_name, bench.photographs, missing.truths, repeat(bench)), pa.string()),
            "boxes": pa.array(map(_boxes, bench.photographs), pa.string()),
        }
    )


def _truth_name(photograph: Photograph, truth: int | None, bench: PreparedBench) -> str:
    """The class that the data states in words: the model's where it knows that class, else those of the data."""
    return str(photograph.label or "") if truth is None else bench.loader.classes.name(truth)


def _boxes(photograph: Photograph) -> str | None:
    """Where the data states that objects are: JSON of `{"box": [x0, y0, x1, y1], "label": ...}` each, in pixels of the file; None
    where it states no box."""
    stated = photograph.annotation
    if stated is None or not stated.boxes:
        return None
    labels = stated.labels or (None,) * len(stated.boxes)
    return json.dumps([{"box": list(box), "label": label} for box, label in zip(stated.boxes, labels, strict=True)])


def _adopt(store: Store, bench: str, rows: pa.Table) -> None:
    files: dict[str, Any] = {}
    for bench_of_file in dict.fromkeys(file.split("/")[1] for file in rows["file"].unique().to_pylist()):
        for part in store.parts(bench_of_file):
            files |= store.files(part)
    about = {"files": {file: files[file] for file in dict.fromkeys(rows["file"].to_pylist())}}
    name = f"shards/{bench}/adopted-{identity_of(rows)[:16]}.parquet"
    store.write_part(name, committed_now(rows), about)


def _adopt_measures(store: Store, bench: PreparedBench, rows: pa.Table, metrics: Iterable[StoredMetric]) -> None:
    benches = [each for each in store.benches() if model_of(each) == model_of(bench.key)]
    chosen = [metric.id for metric in metrics if metric.id in bench.metrics and not metric.others]
    adopt_measures(store.folder, bench.key, rows, benches, chosen)
