"""Run folders for tests of the page: pictures of one colour, and maps that are known."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from PIL import Image
from torch import Tensor

from helpers.written_runs import Shot, stored, written
from xaikit.plain.remarks import CONSTANT
from xaikit.report.report import Report
from xaikit.store.measures import MEASURES, StoredMetric, commit_measures
from xaikit.store.pictures import picture_name, save_picture
from xaikit.store.store import Store
from xaikit.store.trials import StoredTrial, to_table

LABELS = ("gradcam", "layercam", "eigencam")
LAYERS = ("layer3", "layer4")
CLASSES = ("tabby", "espresso", "rocket")
METRICS = ("srg", "sparseness")
FINISH = {"rectify": "relu", "normalize": "max", "scale": "none", "resize": "input", "fuse": "max"}
SIDE = 56
COLORS = ((90, 120, 60), (200, 180, 160), (40, 60, 110), (160, 90, 90))


def page_run(
    folder: Path,
    photographs: int = 4,
    labels: Sequence[str] = LABELS,
    *,
    layers: Sequence[str] = LAYERS,
    cells: int = 7,
    side: int = SIDE,
    metrics: Sequence[str] = METRICS,
    names: Sequence[str] = (),
    boxes: Mapping[int, Sequence[Mapping[str, Any]]] | None = None,
    trial: Mapping[str, Any] | None = None,
) -> Report:
    """A run in which photograph k is of one colour, and of the class k modulo 3; the model takes photograph 1 for another, and of
    photograph 2 the class is not known.

    The map of label m at layer l is :func:`bump`; the last label's map of the last photograph is flat, which a warning says.

    Args:
        boxes: where the objects of photograph k are known to be, in pixels of its file, which is as large as the picture.
        trial: what is changed in each trial.
    """
    about = {"layers": tuple(layers), "strides": tuple(8.0 * 2**at for at in range(len(layers))), "space": (side, side)}
    trials = [stored(label, method="gradcam", finish=FINISH, **{**about, **(trial or {})}) for label in labels]
    names = names or [f"photos/{CLASSES[k % 3]}_{k}.jpg" for k in range(photographs)]
    shots = [
        _shot(name, k, trial, m, cells, len(names)) for k, name in enumerate(names) for m, trial in enumerate(trials)
    ]
    written(folder, trials, shots, together=16)
    store = Store.open(folder)
    _plan(store, trials, names, metrics, boxes or {})
    for k in range(len(names)):
        picture = Image.new("RGB", (side, side), COLORS[k % len(COLORS)])
        save_picture(store.folder, picture_name(f"p{k}"), picture, window=(side, side, 0, 0, side, side))
    _measure(Report(folder), metrics)
    return Report(folder)


def bump(k: int, m: int, layer: int, cells: int) -> Tensor:
    """A map (cells, cells) in [-1, 1], whose largest value is 1 at a place of its own."""
    places = torch.arange(cells, dtype=torch.float32)
    x, y = (k + m) % cells, (2 * k + layer) % cells
    near = torch.exp(-((places[None, :] - x) ** 2 + (places[:, None] - y) ** 2) / (2.0 + m))
    return 1.25 * near - 0.25


def _shot(name: str, k: int, trial: StoredTrial, m: int, cells: int, count: int) -> Shot:
    is_flat = k == count - 1 and trial.name == LABELS[-1]
    maps = {
        layer: torch.zeros(1, cells, cells) if is_flat else bump(k, m, at, cells)[None]
        for at, layer in enumerate(trial.layers)
    }
    noted = {
        "target": k % 3,
        "target_name": CLASSES[k % 3],
        "prediction": (k + (k == 1)) % 3,
        "prediction_name": CLASSES[(k + (k == 1)) % 3],
        "probability": 0.9 - 0.1 * k % 0.8,
        "warnings": [f"{trial.layers[-1]}: {CONSTANT}"] if is_flat else [],
        "seconds": 0.25,
    }
    return Shot(name, trial, maps, score=10.0 - k - 0.5 * m, noted=noted)


def _plan(
    store: Store,
    trials: Sequence[StoredTrial],
    names: Sequence[str],
    metrics: Sequence[str],
    boxes: Mapping[int, Sequence[Mapping[str, Any]]],
) -> None:
    """The plan once more, with classes and metrics."""
    truth = [None if k == 2 else k % 3 for k in range(len(names))]
    photographs = store.photographs().drop_columns(["truth"])
    photographs = photographs.append_column("truth", pa.array(truth, pa.int32()))
    words = ["" if place is None else CLASSES[place] for place in truth]
    photographs = photographs.append_column("truth_name", pa.array(words, pa.string()))
    stated = [json.dumps(list(boxes[k])) if k in boxes else None for k in range(len(names))]
    photographs = photographs.append_column("boxes", pa.array(stated, pa.string()))
    plan = {**store.plan(), "metrics": [_metric(name).plain() for name in metrics]}
    plan |= {
        "config": {"version": 1, "name": "built", "methods": {trial.label: {"use": trial.method} for trial in trials}}
    }
    store.write_plan(plan, to_table(trials), photographs)


def _metric(name: str) -> StoredMetric:
    return StoredMetric(name, name, name, name, {}, "rectified", "faithfulness", True, None, None)


def _measure(report: Report, metrics: Sequence[str]) -> None:
    """Values that fall with the photograph and the trial; sparseness has none of a flat map."""
    rows: list[dict[str, Any]] = []
    for record, trial, row in report.index.records(report.rows):
        k, m = report.images.index(record.name), report.names.index(trial.name)
        for at, metric in enumerate(metrics):
            is_undefined = metric == "sparseness" and bool(record.warnings)
            value = float("nan") if is_undefined else 1.0 + at - 0.1 * k - 0.25 * m
            reason = "the map is flat" if is_undefined else ""
            about = {name: row[name] for name in ("bench", "evidence", "image", "name", "column", "checksum", "commit")}
            rows.append({**about, "truth": None, "metric": metric, "control": "", "value": value, "chance": 0.0,
                         "dead": is_undefined, "reason": reason, "numbers": "{}", "seconds": 0.0, "annotation": ""})  # fmt: skip
    if rows:
        commit_measures(report.index.store.folder, "bench", 0, pa.Table.from_pylist(rows, schema=MEASURES))
