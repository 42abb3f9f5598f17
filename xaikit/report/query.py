"""SQL over a run folder, by duckdb; there is no database, only the Parquet files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

import duckdb
import pyarrow as pa

from xaikit.errors import StoreError
from xaikit.explanation import ALL_NEGATIVE
from xaikit.report.index import Index
from xaikit.store.folder import Remote
from xaikit.store.rows import ROWS
from xaikit.store.trials import StoredTrial

VIEWS = """records (one row for each photograph, trial and target), trials, photographs, failures"""
_TRIAL = ("name", "id", "label", "method", "model", "data", "layers", "seed", "precision", "options", "finish")


def query(index: Index, sql: str) -> pa.Table:
    """The answer to a query over the views ``records``, ``trials``, ``photographs`` and ``failures``.

    ``records`` has the columns of the rows (image, name, column, target, target_name, score, prediction, prediction_name,
    probability, warnings, seconds), of the trial (trial, id, label, method, model, data, layers, seed, precision, options,
    finish) and one for every swept key, quoted: ``"methods.sharp.top_channels"``.

    Raises:
        StoreError: the query is wrong; duckdb's own words are in the message.
    """
    connection = duckdb.connect()
    try:
        _views(connection, index)
        answer = connection.sql(sql)
        return pa.table({}) if answer is None else answer.to_arrow_table()
    except duckdb.Error as error:
        raise StoreError(f"query: {error}; there are the views {VIEWS}") from error
    finally:
        connection.close()


def _views(connection: Any, index: Index) -> None:
    # a name that is no view must not be taken for a variable of this program
    connection.execute("SET python_enable_replacements = false")
    folder = index.store.folder
    if isinstance(folder, Remote):
        connection.register_filesystem(folder.filesystem)
    trials = index.store.trials()
    connection.register("trials", trials)
    axes = _axes(index, trials)
    connection.register("planned", _planned(trials, axes))
    connection.register("photographs", index.store.photographs())
    connection.register("failures", _failures(index))
    if index.parts:
        files = ", ".join(_quoted(folder.url(part)) for part in index.parts)
        connection.execute(f"CREATE VIEW stored AS SELECT * FROM read_parquet([{files}], hive_partitioning = false)")
    else:
        connection.register("stored", ROWS.empty_table())
    connection.execute(_records(axes))


def _axes(index: Index, trials: pa.Table) -> list[str]:
    """The swept keys with a column of their own; what the views call by another name has none."""
    taken = {*(item.name for item in fields(StoredTrial)), *ROWS.names, "position", "stem", "trial"}
    swept = dict.fromkeys(key for trial in index.trials for key in trial.where)
    return [key for key in swept if key in trials.column_names and key not in taken]


def _planned(trials: pa.Table, axes: Sequence[str]) -> pa.Table:
    """The trials for the view of the records; swept keys by number, as duckdb takes "A" and "a" for one column."""
    columns = {name: trials[name] for name in ("bench", "evidence", "drops_negative", *_TRIAL)}
    return pa.table({**columns, **{f"axis{number}": trials[key] for number, key in enumerate(axes)}})


def _records(axes: Sequence[str]) -> str:
    trial = ", ".join(f't."{column}" AS "{"trial" if column == "name" else column}"' for column in _TRIAL)
    identifiers = enumerate(_quoted(key, '"') for key in axes)
    swept = "".join(f", t.axis{number} AS {identifier}" for number, identifier in identifiers)
    row = ", ".join(f'r."{name}"' for name in ROWS.names if name not in ("bench", "evidence", "truth", "warnings"))
    warnings = f"[text FOR text IN r.warnings IF t.drops_negative OR NOT contains(text, {_quoted(ALL_NEGATIVE)})]"
    return f"""
        CREATE VIEW records AS
        SELECT {row}, {warnings} AS warnings, p.position, p.stem, {trial}{swept}
        FROM stored r
        JOIN planned t ON t.bench = r.bench AND t.evidence = r.evidence
        JOIN photographs p ON p.bench = r.bench AND p.name = r.name AND (p.image IS NULL OR p.image = r.image)
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
