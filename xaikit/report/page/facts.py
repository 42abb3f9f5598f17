"""The photographs, trials, rows and measures of runs, as columns of plain values."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from xaikit.report.index import Entry
from xaikit.report.page.maps import PackedMaps
from xaikit.report.page.run import PagedRun
from xaikit.report.page.thumbnails import frames_of_sample, thumbnail
from xaikit.report.record import Record
from xaikit.store.measures import StoredMetric
from xaikit.store.pictures import picture_name, shown_window
from xaikit.store.trials import StoredTrial

Plain = dict[str, Any]

_OF_RECORD = [
    item.name for item in fields(Record) if item.name not in ("image", "name", "stem", "trial", "label", "layers")
]
"""What a row says as its record does; the rest stands at its photograph or its trial."""


class Facts:
    """The facts of one run, or of two beside each other, as they are gathered.

    Args:
        together: photographs whose maps and thumbnails are in one part of the page.
    """

    def __init__(self, together: int) -> None:
        self._together = together
        self._runs = 0
        self._trials: list[Plain] = []
        self._photographs: list[Plain] = []
        self._rows: list[Plain] = []
        self._measures: dict[str, Plain] = {}
        self._values: dict[str, dict[int, tuple[float, str]]] = {}
        self._maps = PackedMaps()
        self._thumbnails: list[str] = []

    def add(
        self, report: PagedRun, images: Collection[str] | None = None, names: Collection[str] | None = None
    ) -> None:
        """Add those of a run: of all its photographs and trials, or of some that are named."""
        index, first = report.index, len(self._rows)
        chosen = [trial for trial in report.trials if names is None or trial.name in names]
        trials = {(trial.bench, trial.name): len(self._trials) + at for at, trial in enumerate(chosen)}
        self._trials += [_trial(trial, self._runs) for trial in chosen]
        photographs: dict[tuple[str, str], int] = {}
        for part in index.parts:
            entries = [
                each for each in index.records(index.rows([part], images)) if (each[1].bench, each[1].name) in trials
            ]
            for entry in entries:
                record, trial, _ = entry
                key = (trial.bench, record.name)
                if key not in photographs:
                    photographs[key] = len(self._photographs)
                    self._photographs.append(self._photograph(report, entry))
                place = {"photograph": photographs[key], "trial": trials[trial.bench, trial.name]}
                self._rows.append(place | _row(entry))
            self._maps.add(report, entries, lambda entry: self._part(photographs[entry[1].bench, entry[0].name]))
        self._measure(report, first)
        self._runs += 1

    def plain(self) -> Plain:
        """As a page holds them."""
        names = ("photograph", "trial", *_OF_RECORD, "place")
        return {
            "trials": self._trials,
            "photographs": self._photographs,
            "rows": {name: [row[name] for row in self._rows] for name in names},
            "measures": {name: about | self._measured(name) for name, about in self._measures.items()},
            "maps": self._maps.plain(),
            "parts": list(self._parts()),
        }

    def _part(self, photograph: int) -> int:
        return photograph // self._together

    def _parts(self) -> Iterator[Plain]:
        """What is large: the bytes of the maps of some photographs, and their thumbnails, the first of which has a number."""
        for part in range(1 + self._part(max(len(self._photographs) - 1, 0))):
            of_part = range(part * self._together, min((part + 1) * self._together, len(self._photographs)))
            first = sum(len(self._photographs[place]["frames"]) for place in range(of_part.start))
            count = sum(len(self._photographs[place]["frames"]) for place in of_part)
            yield {
                "bytes": self._maps.packed(part),
                "first": first,
                "thumbnails": self._thumbnails[first : first + count],
            }

    def _photograph(self, report: PagedRun, entry: Entry) -> Plain:
        record, trial, _ = entry
        folder = report.index.store.folder
        frames = frames_of_sample(folder, record.stem, trial.space)
        size = frames[0][1].size if frames else (trial.space[-1], trial.space[-2:][0])
        planned = report.index.photographs[trial.bench][record.name]
        window = shown_window(folder, picture_name(record.stem))
        first = len(self._thumbnails)
        self._thumbnails += [thumbnail(picture) for _, picture in frames]
        return {
            "run": self._runs,
            "part": self._part(len(self._photographs)),
            "bench": trial.bench,
            "position": planned.position,
            "name": record.name,
            "stem": record.stem,
            "image": record.image,
            "truth": record.truth_name,
            "space": list(trial.space),
            "width": size[0],
            "height": size[1],
            "thumbnail": first if frames else None,
            "frames": [number for number, _ in frames],
            "boxes": list(_framed(json.loads(planned.boxes or "[]"), window, size)),
        }

    def _measure(self, report: PagedRun, first: int) -> None:
        """The values of the maps themselves; those of their blurred copies count in the leaderboard alone."""
        places = {self._key(row): first + at for at, row in enumerate(self._rows[first:])}
        stated = {metric.name: metric for metric in report.index.metrics}
        for row in report.measures.to_pylist():
            place = places.get((row["name"], row["trial"], row["model"], row["column"]))
            if row["control"] or place is None:
                continue
            name = row["metric_name"]
            self._measures.setdefault(name, _metric(stated[name]))
            self._values.setdefault(name, {})[place] = (row["value"], row["reason"] or "")

    def _key(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        photograph, trial = self._photographs[row["photograph"]], self._trials[row["trial"]]
        return photograph["name"], trial["name"], trial["model"], row["column"]

    def _measured(self, metric: str) -> Plain:
        """A value a row, and why there is none."""
        values = self._values[metric]
        numbers = [_plain(values[place][0]) if place in values else None for place in range(len(self._rows))]
        return {"values": numbers, "reasons": {place: reason for place, (_, reason) in values.items() if reason}}


def _framed(boxes: Sequence[Plain], window: tuple[float, ...] | None, size: tuple[int, int]) -> Iterator[Plain]:
    """Boxes in pixels of the file as they lie on its picture, cut off at the edges; none where it is not known how that lies in
    the file, or of which nothing is left.

    >>> window = (100.0, 80.0, 10.0, 0.0, 90.0, 80.0)
    >>> list(_framed([{"box": [50, 20, 100, 40], "label": "cat"}], window, (40, 40)))
    [{'box': [20.0, 10.0, 40.0, 20.0], 'label': 'cat'}]
    """
    if window is None:
        return
    left, top, right, bottom = window[2:]
    for each in boxes:
        x0, y0, x1, y1 = each["box"]
        across = [min(max((x - left) * size[0] / (right - left), 0.0), float(size[0])) for x in (x0, x1)]
        down = [min(max((y - top) * size[1] / (bottom - top), 0.0), float(size[1])) for y in (y0, y1)]
        if across[0] < across[1] and down[0] < down[1]:
            yield {"box": [across[0], down[0], across[1], down[1]], "label": each["label"]}


def _trial(trial: StoredTrial, run: int) -> Plain:
    about = (
        "id",
        "name",
        "label",
        "method",
        "options",
        "target",
        "model",
        "data",
        "layers",
        "strides",
        "finish",
        "where",
    )
    more = ("evidence", "bench", "signed", "control", "plural", "seed", "precision")
    return {"run": run, **{name: getattr(trial, name) for name in (*about, *more)}}


def _row(entry: Entry) -> Plain:
    record, _, row = entry
    values = {name: _plain(getattr(record, name)) for name in _OF_RECORD}
    return values | {"warnings": list(record.warnings), "place": json.loads(row["extent"]) if row["extent"] else None}


def _metric(metric: StoredMetric) -> Plain:
    about = ("label", "use", "options", "reads", "family", "higher_is_better", "printed", "fails")
    return {**{name: getattr(metric, name) for name in about}, "range": [_plain(metric.low), _plain(metric.high)]}


def _plain(value: Any) -> Any:
    """None for what is no number that JSON has."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
