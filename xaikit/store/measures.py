"""What metrics say of stored maps: a row for each map, metric and control, in parts of their own with the commit rule of rows."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from xaikit.store.checksums import MARK
from xaikit.store.folder import Folder
from xaikit.store.tables import read_table, write_table

FOLDER = "measures"

MEASURES = pa.schema(
    [
        pa.field("bench", pa.string()),
        pa.field("evidence", pa.string()),
        pa.field("image", pa.string()),  # SHA-256 of the bytes of the file
        pa.field("name", pa.string()),
        pa.field("truth", pa.int32()),  # as the row of the map has it
        pa.field("column", pa.int16()),  # place on the target axis
        pa.field("metric", pa.string()),  # see xaikit.trials.metric.PlannedMetric.id
        pa.field("control", pa.string()),  # "" for the map itself
        pa.field("value", pa.float64()),  # NaN where there is none
        pa.field("chance", pa.float64()),  # what a map gets that knows nothing; NaN where that is not known
        pa.field("dead", pa.bool_()),  # whether the map says nothing
        pa.field("reason", pa.string()),  # why there is no value
        pa.field("numbers", pa.string()),  # JSON: what was kept beside, such as curves and the share of ties
        pa.field("seconds", pa.float32()),
        pa.field("checksum", pa.string()),  # of the maps that were judged
        pa.field("annotation", pa.string()),  # digest of where the objects are; "" for a metric that does not ask
        pa.field("commit", pa.int64()),  # nanoseconds since 1970, UTC
    ]
)

SAME_MEASURE = ("bench", "evidence", "name", "column", "metric", "control")
"""The columns in which rows agree of which the newest counts."""

_IDENTITY = ("bench", "evidence", "image", "name", "truth", "column", "metric", "control", "checksum", "annotation")


@dataclass(frozen=True)
class StoredMetric:
    """A metric of the plan.

    id                what a value depends on beside the map
    label             in the config
    name              unique in the run: the label, and the axes that tell the metrics of the label apart
    use, options      the plugin
    reads             which map it judges
    family            what kind of question it asks, "" where it does not say
    higher_is_better  which way
    low, high         the range of its values; None where there is no end
    annotations       whether it asks where the objects are
    others            whether it asks for other photographs, so that its values are of these data alone
    refines           whether its values are final only when all photographs are there, see :class:`xaikit.metric.Metric`
    fails             what it gets wrong where the truth is known, see :mod:`xaikit.evaluation.worth`; "" where nothing
    """

    id: str
    label: str
    name: str
    use: str
    options: dict[str, Any]
    reads: str
    family: str
    higher_is_better: bool
    low: float | None
    high: float | None
    annotations: bool = False
    others: bool = False
    refines: bool = False
    fails: str = ""

    @property
    def printed(self) -> str:
        """Its name with what a reader has to know to compare it: which map it judges, and its options."""
        options = [str(value) for key, value in self.options.items() if isinstance(value, str) and key != "reads"]
        return f"{self.name} [{', '.join([*options, self.reads])}]"

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def commit_measures(folder: Folder, bench: str, number: int, rows: pa.Table) -> str:
    """Write rows as one part, whose name says what is in it; gives the name. Raises OSError where the disk does not take it."""
    return _write(folder, f"{FOLDER}/{bench}/{number:06d}", rows)


def merge_measures(folder: Folder, bench: str, parts: Sequence[str]) -> str:
    """Write the rows of some parts as one, of those that say the same the newest; gives its name. Raises DamagedFile."""
    rows = newest(pa.concat_tables([read_table(folder, part).cast(MEASURES) for part in parts]))
    return _write(folder, f"{FOLDER}/{bench}/merged", rows)


def adopt_measures(folder: Folder, bench: str, maps: pa.Table, benches: Iterable[str], metrics: Sequence[str]) -> str:
    """Write what was measured of maps in other benches, for a bench that has taken over their rows; gives the part's name, ""
    where nothing was.

    Args:
        maps: the rows, as they are in the bench.
    """
    about = ("evidence", "image", "column", "checksum")
    named: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in maps.select([*about, "name", "truth"]).to_pylist():
        named[tuple(row[key] for key in about)].append({"bench": bench, "name": row["name"], "truth": row["truth"]})
    measured = read_measures(folder, benches, metrics).to_pylist()
    rows = [row | names for row in measured for names in named.get(tuple(row[key] for key in about), ())]
    return _write(folder, f"{FOLDER}/{bench}/adopted", pa.Table.from_pylist(rows, schema=MEASURES)) if rows else ""


def measure_parts(folder: Folder, bench: str) -> list[str]:
    """The names of a bench's parts."""
    return folder.names(f"{FOLDER}/{bench}", ".parquet")


def _write(folder: Folder, stem: str, rows: pa.Table) -> str:
    columns = [rows[name].to_pylist() for name in _IDENTITY]
    digest = hashlib.sha256(json.dumps(columns).encode()).hexdigest()[:16]
    name = f"{stem}-{digest}.parquet"
    about = {"metrics": sorted(rows["metric"].unique().to_pylist())}
    write_table(folder, name, rows.replace_schema_metadata({MARK: json.dumps(about)}))
    return name


def read_measures(folder: Folder, benches: Iterable[str], metrics: Sequence[str]) -> pa.Table:
    """The rows of some benches and metrics, the newest of those that say the same. Raises DamagedFile for a damaged part."""
    names = [name for bench in benches for name in measure_parts(folder, bench)]
    tables = [read_table(folder, name) for name in names]
    wanted = pa.array(metrics, pa.string())
    tables = [table.filter(pc.is_in(table["metric"], wanted)).cast(MEASURES) for table in tables]
    return newest(pa.concat_tables([MEASURES.empty_table(), *tables]))


def newest(table: pa.Table) -> pa.Table:
    """Of rows that are about the same the one that was committed last."""
    if not table.num_rows:
        return table
    order = table.append_column("place", pa.array(range(table.num_rows), pa.int64()))
    ranked = order.sort_by([("commit", "descending"), ("place", "ascending")])
    ranked = ranked.append_column("rank", pa.array(range(ranked.num_rows), pa.int64()))
    first = ranked.group_by(list(SAME_MEASURE), use_threads=False).aggregate([("rank", "min")])["rank_min"]
    return table.take(ranked["place"].take(first).sort())
