"""The measures of a run as one long table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

import pyarrow as pa
import pyarrow.compute as pc
from torch import Tensor

from xaikit.analysis.measures import MEASURES, OF_FUSED, OF_RAW, measures
from xaikit.errors import ConfigError, nearest
from xaikit.report.report import Report, ReportShard
from xaikit.store.trials import to_table

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


def chosen_measures(measure: str | None) -> tuple[str, ...]:
    """One measure, or all of them for None. Raises ConfigError where there is no such one."""
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
    chosen = chosen_measures(measure)
    places = {trial.name: place for place, trial in enumerate(report.trials)}
    parts = [_shard_table(shard, report, chosen, places) for shard in report.shards()]
    long = pa.concat_tables(parts).unify_dictionaries() if parts else _PART.empty_table()
    trials = to_table(report.trials)
    swept = tuple(dict.fromkeys(key for trial in report.trials for key in trial.where if key not in COLUMNS))
    for name, source in {"trial": "name", **{key: key for key in ("label", "model", "seed", *swept)}}.items():
        column = trials[source].combine_chunks()
        words = column.dictionary_encode() if pa.types.is_string(column.type) else column
        long = long.append_column(name, pc.take(words, long["place"]))
    return long.select([*COLUMNS, *swept])


def _shard_table(shard: ReportShard, report: Report, chosen: Sequence[str], places: Mapping[str, int]) -> pa.Table:
    rows = []
    for record, (raws, fused) in zip(shard.records, _maps(shard, report, chosen), strict=True):
        values = measures(record, raws, fused)
        about = {"name": record.name, "image": record.image, "place": places[record.trial], "column": record.column}
        rows += [{**about, "measure": measure, "value": values[measure]} for measure in chosen]
    return pa.Table.from_pylist(rows, schema=_PART)


def _maps(
    shard: ReportShard, report: Report, chosen: Sequence[str]
) -> Iterator[tuple[Mapping[str, Tensor], Tensor | None]]:
    """The raw maps of each record and the fused one, as far as the measures read them; those of one photograph by one trial,
    whose records follow each other, are read once."""
    trials = {trial.name: trial for trial in report.trials}
    needs_fused = not OF_FUSED.isdisjoint(chosen)
    needs_maps = needs_fused or not OF_RAW.isdisjoint(chosen)
    records = enumerate(shard.records)
    for (*_, name), group in groupby(records, key=lambda entry: (entry[1].image, entry[1].name, entry[1].trial)):
        places, trial = [place for place, _ in group], trials[name]
        raws = shard.raw(places[0]) if needs_maps else {}
        fused = report.finish(trial, raws) if needs_fused and trial.fuses else None
        yield from [(raws, fused)] * len(places)
