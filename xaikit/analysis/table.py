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
from xaikit.store.measures import StoredMetric
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


def known_measures(report: Report) -> dict[str, str]:
    """What there is to compare, by name, with what it says: what every map has, and the metrics of the run."""
    metrics = {metric.name: f"{metric.printed}, {_way(metric)}" for metric in report.index.metrics}
    return {**MEASURES, **metrics}


def _way(metric: StoredMetric) -> str:
    return "higher is better" if metric.higher_is_better else "lower is better"


def chosen_measures(report: Report, measure: str | None) -> tuple[str, ...]:
    """One measure, or all of them for None. Raises ConfigError where there is no such one."""
    measures = known_measures(report)
    if measure is None:
        return tuple(measures)
    if measure not in measures:
        raise ConfigError(
            f"measure: expected one of {', '.join(measures)}, got {measure!r}; {nearest(measure, measures)}"
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
    chosen = chosen_measures(report, measure)
    of_maps = [each for each in chosen if each in MEASURES]
    places = {trial.name: place for place, trial in enumerate(report.trials) if not trial.control}
    parts = [_shard_table(shard, report, of_maps, places) for shard in report.shards()] if of_maps else []
    parts += [_metrics_table(report, chosen, places)]
    long = pa.concat_tables(parts).unify_dictionaries()
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
        if record.trial not in places:
            continue
        values = measures(record, raws, fused)
        about = {"name": record.name, "image": record.image, "place": places[record.trial], "column": record.column}
        rows += [{**about, "measure": measure, "value": values[measure]} for measure in chosen]
    return pa.Table.from_pylist(rows, schema=_PART)


def _metrics_table(report: Report, chosen: Sequence[str], places: Mapping[str, int]) -> pa.Table:
    """What metrics say of the maps themselves, not of their blurred copies."""
    rows = [
        {**{name: row[name] for name in ("name", "image", "column", "value")}, "place": places[row["trial"]]}
        | {"measure": row["metric_name"]}
        for row in (report.measures.to_pylist() if not MEASURES.keys() >= set(chosen) else ())
        if row["metric_name"] in chosen and not row["control"] and row["trial"] in places
    ]
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
