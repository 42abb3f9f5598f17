"""The measures of a run as one long table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from xaikit.analysis.measures import MEASURES, OF_FUSED, OF_RAW, measures
from xaikit.errors import ConfigError, nearest
from xaikit.report import Report, ReportShard
from xaikit.store.trials import StoredTrial, to_table

COLUMNS = ("name", "image", "trial", "label", "model", "seed", "column", "measure", "value")


_WORD = pa.dictionary(pa.int32(), pa.string())


_PART = pa.schema(
    [
        *(pa.field(name, _WORD) for name in ("name", "image", "measure")),
        pa.field("place", pa.int32()),  # in Report.trials
        pa.field("column", pa.int16()),
        pa.field("value", pa.float64()),
    ]
)


def wanted(measure: str | None) -> tuple[str, ...]:
    """The measures that are asked for. Raises ConfigError where there is no such one."""
    if measure is None:
        return tuple(MEASURES)
    if measure not in MEASURES:
        raise ConfigError(
            f"measure: expected one of {', '.join(MEASURES)}, got {measure!r}; {nearest(measure, MEASURES)}"
        )
    return (measure,)


def table(report: Report, *, measure: str | None = None) -> pa.Table:
    """The long table: one row for each photograph, trial, place on the target axis and measure, maps read shard by shard.

    Columns: name, image (SHA-256), trial, label, model, seed, column, measure, value (NaN where it is not defined), and one
    for every swept key that is none of these. Words are dictionary-encoded.

    Args:
        measure: this one alone; for those of the record itself (score, probability) no map is read.

    Raises:
        ConfigError: there is no such measure.
        StoreError: the run is damaged.
    """
    asked = wanted(measure)
    places = {trial.name: place for place, trial in enumerate(report.trials)}
    parts = [_part(shard, report, asked, places) for shard in report.shards()]
    long = pa.concat_tables(parts).unify_dictionaries() if parts else _PART.empty_table()
    about = to_table(report.trials)
    swept = tuple(dict.fromkeys(key for trial in report.trials for key in trial.where if key not in COLUMNS))
    sources = {"trial": "name", **{key: key for key in ("label", "model", "seed", *swept)}}
    for name, source in sources.items():
        column = about[source].combine_chunks()
        words = column.dictionary_encode() if pa.types.is_string(column.type) else column
        long = long.append_column(name, pc.take(words, long["place"]))
    return long.select([*COLUMNS, *swept])


def _part(shard: ReportShard, report: Report, asked: Sequence[str], places: Mapping[str, int]) -> pa.Table:
    rows: dict[str, list[Any]] = {name: [] for name in _PART.names}
    reads = _Reads(shard, report, asked)
    for at, record in enumerate(shard.records):
        place = places[record.trial]
        found = measures(record, *reads.maps(at, report.trials[place]))
        for measure in asked:
            values = (record.name, record.image, measure, place, record.column, found[measure])
            for column, value in zip(rows.values(), values, strict=True):
                column.append(value)
    arrays = [pa.array(rows[field.name], _plain(field.type)).cast(field.type) for field in _PART]
    return pa.table(arrays, schema=_PART)


class _Reads:
    """The maps of the records of a shard; those of one photograph by one trial, which follow each other, are read once."""

    def __init__(self, shard: ReportShard, report: Report, asked: Sequence[str]) -> None:
        self._shard, self._report = shard, report
        self._fused = not OF_FUSED.isdisjoint(asked)
        self._any = self._fused or not OF_RAW.isdisjoint(asked)
        self._of: tuple[str, str, str] | None = None
        self._read: tuple[Mapping[str, Any], Any] = ({}, None)

    def maps(self, at: int, trial: StoredTrial) -> tuple[Mapping[str, Any], Any]:
        """The raw maps and the fused one, as far as these are asked for."""
        record = self._shard.records[at]
        of = record.image, record.name, record.trial
        if self._any and of != self._of:
            raws = self._shard.maps(at)
            fused = self._report.finish(trial, raws) if self._fused and _fuses(trial) else None
            self._of, self._read = of, (raws, fused)
        return self._read


def _fuses(trial: StoredTrial) -> bool:
    stage = trial.finish.get("fuse", "none")
    return (stage if isinstance(stage, str) else stage["use"]) != "none"


def _plain(kind: pa.DataType) -> pa.DataType:
    return pa.string() if kind == _WORD else kind
