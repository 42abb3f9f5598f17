"""Rows: what was found out about one photograph by one evidence, a row for every place on the target axis.

Trials that differ only in label or finish share rows; which trials there are says the plan.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import pyarrow as pa

from xaikit.store.checksums import from_json, to_json

ROWS = pa.schema(
    [
        pa.field("bench", pa.string()),  # model x transform x output, a digest
        pa.field("evidence", pa.string()),  # see xaikit.trials.trial.Trial
        pa.field("image", pa.string()),  # SHA-256 of the bytes of the file
        pa.field("name", pa.string()),
        pa.field("truth", pa.int32()),  # the class that the data states, where the target is that class
        pa.field("column", pa.int16()),  # place on the target axis
        pa.field("target", pa.int32()),
        pa.field("target_name", pa.string()),
        pa.field("score", pa.float64()),
        pa.field("prediction", pa.int32()),
        pa.field("prediction_name", pa.string()),
        pa.field("probability", pa.float64()),
        pa.field("warnings", pa.list_(pa.string())),
        pa.field("seconds", pa.float32()),  # the share of this row in the time of its batch
        pa.field("file", pa.string()),  # of the maps
        pa.field("row", pa.int32()),  # in the tensors of that file
        pa.field("checksum", pa.string()),  # of the maps of the evidence in that row
    ]
)


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
    """

    bench: str
    name: str
    image: str = ""
    evidence: str = ""
    error: str = ""
    details: str = ""
    attempts: int = 1

    def to_json(self) -> str:
        """One line."""
        return to_json(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Failure:
        """The failure of that line. Raises ValueError or TypeError where the line is none."""
        return cls(**from_json(line))
