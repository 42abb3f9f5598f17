"""Two run folders side by side, photograph by photograph."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from xaikit.analysis.difference import SHOWN, Difference, TrialDifference
from xaikit.analysis.opened import Run, opened
from xaikit.report.record import Record
from xaikit.report.report import Report
from xaikit.store.maps import Array
from xaikit.store.trials import StoredTrial

Photograph = tuple[str, str]  # name, and SHA-256


Entry = tuple[list[Record], StoredTrial, Mapping[str, Any]]  # one photograph by one trial, with its first row


def diff(a: Run, b: Run, *, tolerance: float = 1e-3) -> Difference:
    """What differs between two runs: trials are matched by name, photographs by their bytes, else by name.

    Maps are read one photograph at a time, and never held together.

    Args:
        a, b: reports, or the folders of runs.
        tolerance: of raw maps in units of the larger map's max|x|, of scores relative to max(1, |score|), and of
            probabilities. Half precision keeps maps to 5e-4 of their largest value.

    Raises:
        StoreError: a run is damaged, or there is none in a folder.
    """
    a, b = opened(a), opened(b)
    ours, its = Side(a), Side(b)
    pairs = _matched(ours.photographs, its.photographs)
    names_of_b = set(b.names)
    trials = {name: TrialDifference(name) for name in a.names if name in names_of_b}
    for mine, theirs in batches(ours, its, pairs):
        for photograph in mine:
            for name, trial in trials.items():
                one, other = mine[photograph].get(name), theirs[pairs[photograph]].get(name)
                trials[name] = _with_photograph(trial, photograph[0], a, one, b, other, tolerance)
    matched = set(pairs.values())
    return Difference(
        a=str(a.folder),
        b=str(b.folder),
        tolerance=tolerance,
        trials=tuple(trials.values()),
        only_a=tuple(name for name in a.names if name not in trials),
        only_b=tuple(name for name in b.names if name not in trials),
        photographs_a=tuple(name for name, image in ours.photographs if (name, image) not in pairs),
        photographs_b=tuple(name for name, image in its.photographs if (name, image) not in matched),
        by_name=tuple(mine[0] for mine, theirs in pairs.items() if mine[1] != theirs[1]),
    )


class Side:
    """The rows of one run, without maps, and their photographs in the order of the rows."""

    def __init__(self, report: Report) -> None:
        self.index, self.rows = report.index, report.rows
        distinct = self.rows.group_by(["name", "image"], use_threads=False).aggregate([])
        self.photographs: tuple[Photograph, ...] = tuple(zip(*distinct.to_pydict().values(), strict=True))

    def entries(self, photographs: Sequence[Photograph]) -> dict[Photograph, dict[str, Entry]]:
        """What the run holds of some photographs, by trial."""
        names = pa.array([name for name, _ in photographs], pa.string())
        entries: dict[Photograph, dict[str, Entry]] = {photograph: {} for photograph in photographs}
        for record, trial, row in self.index.records(self.rows.filter(pc.is_in(self.rows["name"], names))):
            by_trial = entries.get((record.name, record.image))
            if by_trial is not None:
                by_trial.setdefault(trial.name, ([], trial, row))[0].append(record)
        return entries


def batches(
    ours: Side, its: Side, pairs: Mapping[Photograph, Photograph], together: int = 256
) -> Iterator[tuple[dict[Photograph, dict[str, Entry]], dict[Photograph, dict[str, Entry]]]]:
    """What both runs hold of some matched photographs at a time, in the order of the rows of the first."""
    photographs = list(pairs)
    for start in range(0, len(photographs), together):
        some = photographs[start : start + together]
        yield ours.entries(some), its.entries([pairs[photograph] for photograph in some])


def _matched(ours: Sequence[Photograph], its: Sequence[Photograph]) -> dict[Photograph, Photograph]:
    """One to one: those of the same name and bytes first, then those of the same bytes, then those of the same name."""
    left, matched = dict.fromkeys(its), dict[Photograph, Photograph]()
    for key in (itemgetter(0, 1), itemgetter(1), itemgetter(0)):
        by_key: dict[Any, list[Photograph]] = {}
        for photograph in left:
            by_key.setdefault(key(photograph), []).append(photograph)
        for photograph in ours:
            if photograph not in matched and by_key.get(key(photograph)):
                matched[photograph] = by_key[key(photograph)].pop(0)
                del left[matched[photograph]]
    return {photograph: matched[photograph] for photograph in ours if photograph in matched}


def _with_photograph(
    trial: TrialDifference, name: str, a: Report, one: Entry | None, b: Report, other: Entry | None, tolerance: float
) -> TrialDifference:
    """The difference of a trial with one photograph more; None where a run has nothing of it by this trial."""
    if one is None or other is None:
        only_a, only_b = [name] * (one is not None), [name] * (other is not None)
        return replace(trial, only_a=(*trial.only_a, *only_a), only_b=(*trial.only_b, *only_b))
    (ours,), (its,) = a.arrays(one[1], [one[2]]), b.arrays(other[1], [other[2]])
    distances = {
        layer: distance(raw, its[layer])
        for layer, raw in ours.items()
        if layer in its and raw.shape == its[layer].shape
    }
    farthest = [(trial.worst, trial.where), *((value, f"{name}, {layer}") for layer, value in distances.items())]
    worst, where = max(farthest, key=itemgetter(0))
    notes = "; ".join([*record_differences(one[0], other[0], tolerance), *_layer_differences(ours, its)])
    return replace(
        trial,
        photographs=trial.photographs + 1,
        worst=worst,
        where=where,
        beyond=trial.beyond + any(value > tolerance for value in distances.values()),
        noted=(*trial.noted, f"{name}: {notes}")[:SHOWN] if notes else trial.noted,
        photographs_noted=trial.photographs_noted + bool(notes),
    )


def _layer_differences(ours: Mapping[str, Array], its: Mapping[str, Array]) -> Iterator[str]:
    """What differs between the maps of one photograph besides their values."""
    yield from (f"layer {layer} only in a" for layer in ours if layer not in its)
    yield from (f"layer {layer} only in b" for layer in its if layer not in ours)
    for layer in (layer for layer in ours if layer in its):
        if ours[layer].shape != its[layer].shape:
            yield f"layer {layer}: shapes {ours[layer].shape} and {its[layer].shape}"


def distance(a: Array, b: Array) -> float:
    """The largest |a - b| of maps (T, *S) of one shape, for each of the T in units of the largest finite |x| of either.

    NaN equals NaN, and infinity itself; beside any other value they are infinitely far.
    """
    a, b = (values.reshape(len(values), -1).astype(np.float64) for values in (a, b))
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    if not (same | (np.isfinite(a) & np.isfinite(b))).all():
        return math.inf
    apart = np.abs(np.subtract(a, b, where=~same, out=np.zeros_like(a)))
    unit = np.maximum(_largest(a), _largest(b))
    return float((apart / np.where(unit > 0, unit, 1)).max(initial=0))


def _largest(values: Array) -> Array:
    """The largest finite |x| of each row, (T, 1)."""
    largest: Array = np.abs(np.where(np.isfinite(values), values, 0)).max(1, keepdims=True, initial=0)
    return largest


def record_differences(a: Sequence[Record], b: Sequence[Record], tolerance: float) -> Iterator[str]:
    """What differs between the records of one photograph by one trial, one line each; seconds do not count.

    Scores are compared relative to max(1, |score|), probabilities as they are.
    """
    ours, its = ({record.column: record for record in records} for records in (a, b))
    if ours.keys() != its.keys():
        yield f"targets: {len(ours)} and {len(its)}"
    for column in sorted(ours.keys() & its.keys()):
        one, other = ours[column], its[column]
        at = "" if len(ours) == 1 else f" of target {column}"
        if not close(one.score, other.score, tolerance):
            yield f"score{at}: {one.score:.6g} and {other.score:.6g}"
        if not close(one.probability, other.probability, tolerance):
            yield f"probability{at}: {one.probability} and {other.probability}"
        for key in ("target", "prediction", "warnings"):
            if getattr(one, key) != getattr(other, key):
                yield f"{key}{at}: {getattr(one, key)} and {getattr(other, key)}"


def close(a: float | None, b: float | None, tolerance: float) -> bool:
    """Whether |a - b| is at most tolerance * max(1, |a|, |b|); None and NaN equal themselves alone."""
    if a is None or b is None:
        return a is b
    return math.isclose(a, b, rel_tol=tolerance, abs_tol=tolerance) or (math.isnan(a) and math.isnan(b))
