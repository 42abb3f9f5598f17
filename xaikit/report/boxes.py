"""What stands out in the maps of a run, as boxes: rows of a table, and the annotations of COCO."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any

from torch import Tensor

from xaikit.errors import ConfigError
from xaikit.passes.process import torch_threads
from xaikit.pictures.inside import Box, inside
from xaikit.pictures.regions import Region, regions
from xaikit.report.index import Entry
from xaikit.report.lookup import find_trial
from xaikit.report.overlays import finished
from xaikit.report.record import Record
from xaikit.report.report import Report
from xaikit.schema.boxes import BoxesConfig
from xaikit.store.pictures import picture_name, shown_window
from xaikit.store.rows import Failure
from xaikit.store.trials import StoredTrial

TABLE = "boxes.csv"
"""Of a run whose config asks for boxes."""

INPUT = "in pixels of the model's input: where that lies in the file is not known"


@dataclass(frozen=True)
class MapBox:
    """One region of one map, or why there is none.

    name         of the photograph
    trial        by which it was explained
    column       place on the target axis
    target       class index, None where the target is no class; target_name what it is called
    width, height  of the file, upright, in pixels
    x0, y0, x1, y1  in these pixels, x1 and y1 just outside; None where there is no region
    area         in these pixels
    peak, mass   the largest value of the map in it, and its share of all that is positive
    note         why there is no region, or what to know of one
    """

    name: str
    trial: str
    column: int
    target: int | None
    target_name: str
    width: int
    height: int
    x0: float | None = None
    y0: float | None = None
    x1: float | None = None
    y1: float | None = None
    area: float | None = None
    peak: float | None = None
    mass: float | None = None
    note: str = ""


def check_boxes(trials: Iterable[StoredTrial]) -> None:
    """Raises ConfigError where no trial has maps that boxes could be of."""
    if not any(map(_has_boxes, trials)):
        raise ConfigError(
            "report.boxes: expected maps of pictures, got none: those of series, volumes and videos have no boxes, nor have "
            "controls, nor layers that are not fused"
        )


def _has_boxes(trial: StoredTrial) -> bool:
    return trial.fuses and not trial.control and len(trial.space) == 2


def boxes_of(report: Report, stated: BoxesConfig, trial: str | None = None) -> Iterator[MapBox]:
    """The boxes of every map of a picture, in the order of the photographs; of one trial alone, where it is named.

    Raises:
        ConfigError: no trial has such maps.
        StoreError: there is no such trial, or the folder is damaged.
    """
    check_boxes(report.index.trials)
    chosen = None if trial is None else find_trial(report.index, trial)
    for part in report.index.parts:
        entries = report.index.records(report.index.rows([part]))
        wanted = [entry for entry in entries if _has_boxes(entry[1]) and chosen in (None, entry[1])]
        with torch_threads(1):
            for columns, fused in finished(report, wanted):
                for entry in columns:
                    yield from _boxes(report, entry, fused, stated)


def _boxes(report: Report, entry: Entry, fused: Tensor | Failure, stated: BoxesConfig) -> Iterator[MapBox]:
    record, trial, _ = entry
    window = shown_window(report.index.store.folder, picture_name(record.stem))
    high, wide = trial.space
    frame = window or (wide, high, 0.0, 0.0, wide, high)
    note = "" if window else INPUT
    try:
        if isinstance(fused, Failure):
            raise ConfigError(fused.error)
        saliency, corners = inside(fused[record.column], frame[2:], frame[:2])
        parts = regions(saliency, stated.threshold, stated.keep)
    except ConfigError as error:
        yield _box(record, frame, str(error))
        return
    if not parts:
        yield _box(record, frame, "no region: the map is nowhere positive")
    for part in parts:
        yield _placed(_box(record, frame, note), part, tuple(saliency.shape), corners)


def _box(record: Record, frame: tuple[float, ...], note: str) -> MapBox:
    about = (record.name, record.trial, record.column, record.target, record.target_name)
    return MapBox(*about, int(frame[0]), int(frame[1]), note=note)


def _placed(box: MapBox, part: Region, shape: tuple[int, ...], corners: Box) -> MapBox:
    """With a region of a map (H, W), which covers a part of the file."""
    left, top, right, bottom = corners
    x, y = (right - left) / shape[1], (bottom - top) / shape[0]
    edges = (left + part.box[0] * x, top + part.box[1] * y, left + part.box[2] * x, top + part.box[3] * y)
    ends = (box.width, box.height) * 2
    x0, y0, x1, y1 = (round(min(max(edge, 0.0), end), 2) for edge, end in zip(edges, ends, strict=True))
    area = round(part.area * x * y, 2)
    return MapBox(
        **{**asdict(box), "x0": x0, "y0": y0, "x1": x1, "y1": y1, "area": area, "peak": part.peak, "mass": part.mass}
    )


def as_table(boxes: Iterable[MapBox]) -> str:
    """Comma-separated values with a header."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, [item.name for item in fields(MapBox)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(box) for box in boxes)
    return buffer.getvalue()


def as_coco(boxes: Iterable[MapBox]) -> str:
    """The JSON of COCO: images, categories, and an annotation for each region, whose score is its mass."""
    images: dict[str, dict[str, Any]] = {}
    categories: dict[tuple[int | None, str], dict[str, Any]] = {}
    annotations: list[dict[str, Any]] = []
    for box in boxes:
        size = {"width": box.width, "height": box.height}
        image = images.setdefault(box.name, {"id": len(images) + 1, "file_name": box.name, **size})
        if box.x0 is None or box.y0 is None or box.x1 is None or box.y1 is None:
            continue
        key = (box.target, box.target_name)
        number = -1 - len(categories) if box.target is None else box.target
        category = categories.setdefault(key, {"id": number, "name": box.target_name or "no class"})
        annotations.append(
            {
                "id": len(annotations) + 1,
                "image_id": image["id"],
                "category_id": category["id"],
                "bbox": [box.x0, box.y0, round(box.x1 - box.x0, 2), round(box.y1 - box.y0, 2)],
                "area": box.area,
                "iscrowd": 0,
                "score": box.mass,
                "trial": box.trial,
                "column": box.column,
            }
        )
    parts = {"images": list(images.values()), "categories": list(categories.values()), "annotations": annotations}
    return json.dumps(parts, indent=1)


def write_boxes(report: Report, stated: BoxesConfig) -> None:
    """Write the table of a run into its folder. Raises OSError where the disk does not take it."""
    with report.index.store.folder.write(TABLE, durable=False) as file:
        file.write(as_table(boxes_of(report, stated)).encode())
