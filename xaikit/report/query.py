"""SQL over a run folder, by duckdb; there is no database, only the Parquet files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from itertools import count
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds

from xaikit.errors import StoreError
from xaikit.plain.remarks import ALL_NEGATIVE
from xaikit.registry import Registry
from xaikit.report.index import Index
from xaikit.report.measures import measures
from xaikit.store.folder import Remote
from xaikit.store.rows import ROWS
from xaikit.store.trials import StoredTrial

VIEWS = (
    """records (one row for each photograph, trial and target), measures (by metric), trials, photographs, failures"""
)
_TRIAL = ("name", "id", "label", "method", "model", "data", "layers", "seed", "precision", "options", "finish")
_HIDDEN = ("extent", "bench", "evidence", "truth", "warnings", "checksum", "commit")
"""Of the columns of rows, what the records do not show; warnings are shown as the trial has them."""


def query(index: Index, sql: str, registry: Registry) -> pa.Table:
    """The answer to a query over the views ``records``, ``measures``, ``trials``, ``photographs`` and ``failures``.

    ``records`` has the columns of the rows (image, name, column, target, target_name, score, prediction, prediction_name,
    probability, warnings, seconds), of the photograph (truth, truth_name, correct), of the trial (trial, id, label, method,
    model, data, layers, seed, precision, options, finish) and one for every swept key, quoted:
    ``"methods.sharp.top_channels"``. ``measures`` has those of
    :data:`xaikit.report.measures.MEASURED`. Nothing else can be read, and nothing written: the query opens no file, loads no
    extension and changes no setting. Of columns of one name the second is called ``name_1``.

    Raises:
        StoreError: the query is wrong; duckdb's own words are in the message.
        DamagedFile: a file of the run is not what was written.
    """
    return index.on_current_parts(lambda: _answer(index, sql, registry))


def to_pandas(index: Index, registry: Registry) -> Any:
    """The records as a DataFrame. Raises StoreError where pandas is not installed."""
    try:
        import pandas  # type: ignore[import-untyped,unused-ignore]  # noqa: F401
    except ImportError as error:
        raise StoreError("to_pandas: pandas is not installed: pip install 'xaikit[pandas]'") from error
    return query(index, 'SELECT * FROM records ORDER BY position, trial, "column"', registry).to_pandas()


def _answer(index: Index, sql: str, registry: Registry) -> pa.Table:
    connection = duckdb.connect()
    try:
        _views(connection, index, registry)
        for setting in _LOCKED:
            connection.execute(f"SET {setting}")
        answer = connection.sql(sql)
        return pa.table({}) if answer is None else _uniquely_named(answer.to_arrow_table())
    except (duckdb.Error, pa.ArrowException) as error:
        index.store.check_present(index.parts)
        raise StoreError(f"query: {error}; there are the views {VIEWS}") from error
    finally:
        connection.close()


_LOCKED = (
    # a name that is no view must not be taken for a variable of this program
    "python_enable_replacements = false",
    "autoinstall_known_extensions = false",
    "autoload_known_extensions = false",
    "enable_external_access = false",
    "lock_configuration = true",
)
"""The settings of a query, in their order: whoever wrote it reads the views and touches nothing else."""


def _uniquely_named(table: pa.Table) -> pa.Table:
    """Equal names of columns told apart as duckdb does it elsewhere: ``name``, ``name_1``."""
    names: list[str] = []
    for name in table.column_names:
        taken, free = {*names, *table.column_names[len(names) + 1 :]}, name
        if name in names:
            free = next(each for number in count(1) if (each := f"{name}_{number}") not in taken)
        names.append(free)
    return table.rename_columns(names)


def _views(connection: Any, index: Index, registry: Registry) -> None:
    trials = index.store.trials()
    connection.register("trials", trials)
    axes = _axes(index, trials)
    connection.register("planned", _planned(trials, axes))
    photographs = index.store.photographs()
    if "truth_name" not in photographs.column_names:  # of a folder of before
        photographs = photographs.append_column("truth_name", pa.array([""] * photographs.num_rows, pa.string()))
    connection.register("photographs", photographs)
    connection.register("failures", _failures(index))
    connection.register("measures", measures(index, registry))
    connection.register("stored", _stored(index))
    connection.execute(_records(axes))


def _stored(index: Index) -> Any:
    """The rows of all parts, read as far as a query asks for them; by pyarrow, as duckdb itself may open no file."""
    folder, older = index.store.folder, index.superseded
    for part in index.parts:
        index.store.check_part(part)
    remote = folder if isinstance(folder, Remote) else None
    whole = [part for part in index.parts if part not in older]
    files = [folder.url(part) if remote is None else remote.at(part) for part in whole]
    filesystem = None if remote is None else remote.filesystem
    tables = pa.concat_tables([ROWS.empty_table(), *map(index.part, older)])
    rest = ds.dataset(files, ROWS, format="parquet", filesystem=filesystem) if files else ds.dataset(ROWS.empty_table())
    return rest if not tables.num_rows else ds.dataset([rest, ds.dataset(tables)])


def _axes(index: Index, trials: pa.Table) -> list[str]:
    """The swept keys with a column of their own; what the views call by another name has none."""
    taken = {
        *(item.name for item in fields(StoredTrial)),
        *ROWS.names,
        "position",
        "stem",
        "trial",
        "truth_name",
        "correct",
    }
    swept = dict.fromkeys(key for trial in index.trials for key in trial.where)
    return [key for key in swept if key in trials.column_names and key not in taken]


def _planned(trials: pa.Table, axes: Sequence[str]) -> pa.Table:
    """The trials for the view of the records; swept keys by number, as duckdb takes "A" and "a" for one column."""
    columns = {name: trials[name] for name in ("bench", "evidence", "labelled", "drops_negative", *_TRIAL)}
    return pa.table({**columns, **{f"axis{number}": trials[key] for number, key in enumerate(axes)}})


def _records(axes: Sequence[str]) -> str:
    trial = ", ".join(f't."{column}" AS "{"trial" if column == "name" else column}"' for column in _TRIAL)
    identifiers = enumerate(_quoted(key, '"') for key in axes)
    swept = "".join(f", t.axis{number} AS {identifier}" for number, identifier in identifiers)
    row = ", ".join(f'r."{name}"' for name in ROWS.names if name not in _HIDDEN)
    warnings = f"[text FOR text IN r.warnings IF t.drops_negative OR NOT contains(text, {_quoted(ALL_NEGATIVE)})]"
    return f"""
        CREATE VIEW records AS
        SELECT {row}, {warnings} AS warnings, p.truth, p.truth_name, r.prediction = p.truth AS correct, p.position, p.stem,
            {trial}{swept}
        FROM stored r
        JOIN planned t ON t.bench = r.bench AND t.evidence = r.evidence
        JOIN photographs p ON p.bench = r.bench AND p.name = r.name AND (p.image IS NULL OR p.image = r.image)
            AND r.truth IS NOT DISTINCT FROM (CASE WHEN t.labelled THEN p.truth END)
    """


def _failures(index: Index) -> pa.Table:
    rows = []
    for failure in index.store.failures():
        trials = index.by_evidence.get((failure.bench, failure.evidence), ())
        rows.append({**asdict(failure), "trials": ", ".join(trial.name for trial in trials)})
    names = ("bench", "name", "image", "evidence", "error", "details", "trials")
    return pa.Table.from_pylist(rows, pa.schema([(name, pa.string()) for name in names]))


def _quoted(text: str, mark: str = "'") -> str:
    return mark + text.replace(mark, 2 * mark) + mark
