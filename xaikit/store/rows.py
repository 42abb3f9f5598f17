"""Rows: what was found out about one photograph by one evidence, a row for every place on the target axis.

Trials that differ only in label or finish share rows; which trials there are says the plan. Of rows that agree in bench,
evidence, photograph and column the one that was committed last counts.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from xaikit.store.checksums import from_json, to_json

ROWS = pa.schema(
    [
        pa.field("bench", pa.string()),  # the model and the data, see xaikit.bench.opened.OpenedBench.key
        pa.field("evidence", pa.string()),  # see xaikit.trials.trial.Trial
        pa.field("image", pa.string()),  # SHA-256 of the bytes of the file
        pa.field("name", pa.string()),
        pa.field("truth", pa.int32()),  # the class that the data states, where the target is that class
        pa.field("column", pa.int16()),  # place on the target axis
        pa.field("target", pa.int32()),
        pa.field("target_name", pa.string()),
        pa.field("score", pa.float64()),
        pa.field("extent", pa.string()),  # what of the picture it is of, see xaikit.pictures.places; null for all
        pa.field("prediction", pa.int32()),
        pa.field("prediction_name", pa.string()),
        pa.field("probability", pa.float64()),
        pa.field("warnings", pa.list_(pa.string())),
        pa.field("seconds", pa.float32()),  # the share of this row in the time of its batch
        pa.field("file", pa.string()),  # of the maps
        pa.field("row", pa.int32()),  # in the tensors of that file
        pa.field("checksum", pa.string()),  # of the maps of the evidence in that row
        pa.field("commit", pa.int64()),  # when it was written: nanoseconds since 1970, UTC
    ]
)

_IDENTITY = ("bench", "evidence", "image", "name", "truth", "column", "row", "checksum")


def identity_of(rows: pa.Table) -> str:
    """The SHA-256 of what rows are about and of their maps: the same for the same work done twice, and for no other."""
    columns = [rows[name].to_pylist() for name in _IDENTITY]
    return hashlib.sha256(json.dumps(columns).encode()).hexdigest()


def committed_now(rows: pa.Table) -> pa.Table:
    """Rows with the time of their commit."""
    return with_column(rows, "commit", [time.time_ns()] * rows.num_rows)


def with_column(rows: pa.Table, name: str, values: Sequence[Any]) -> pa.Table:
    """Rows with other values in one column."""
    field = ROWS.field(name)
    return rows.set_column(ROWS.get_field_index(name), field, pa.array(values, field.type))


@dataclass(frozen=True, slots=True)
class Failure:
    """A photograph that could not be explained, by one evidence or at all.

    bench      the model and data it belongs to
    name       of the photograph
    image      the SHA-256 of its bytes, "" where these could not be read
    evidence   "" where the whole photograph failed
    error      why
    details    the traceback, "" where the error says all
    attempts   how often it was tried in one sitting
    metric     that could not judge its maps; "" where there are none
    """

    bench: str
    name: str
    image: str = ""
    evidence: str = ""
    error: str = ""
    details: str = ""
    attempts: int = 1
    metric: str = ""

    def to_json(self) -> str:
        """One line."""
        return to_json(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Failure:
        """The failure of that line. Raises ValueError or TypeError where the line is none."""
        return cls(**from_json(line))
