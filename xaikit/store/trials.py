"""The trials of a run as its folder keeps them: one row for each trial on each bench, with what is needed to finish a map."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class StoredTrial:
    """One trial on one bench.

    bench      digests of the model and of the data
    model      in words
    data       in words
    id         of the trial: evidence and finish
    evidence   which rows are its own
    label      of the method in the config
    name       unique in the run: the label, and the axes that tell the trials of the label apart
    method     the plugin
    options    of the method
    target     what is explained, as YAML would say it
    layers     resolved, in the order of the config
    maps       the key of each layer's raw map
    strides    pixels of the input per cell of each layer
    space      the spatial shape of the model's input
    seed       of its draws
    precision  of passes that are only scored
    finish     the stages, as YAML would say them
    signed     whether finished maps may be negative, as the stages declare
    drops_negative  whether what is negative counts for nothing in them
    labelled   whether its rows depend on the class that the data states
    where      the swept keys that have one value here
    plural     whether maps have an axis of targets, as those of :class:`xaikit.Explanation` have
    control    whether it is there to be beaten, and nobody asked for its pictures
    """

    bench: str
    model: str
    data: str
    id: str
    evidence: str
    label: str
    name: str
    method: str
    options: Mapping[str, Any]
    target: Mapping[str, Any]
    layers: tuple[str, ...]
    maps: tuple[str, ...]
    strides: tuple[float, ...]
    space: tuple[int, ...]
    seed: int
    precision: str
    finish: Mapping[str, Any]
    signed: bool
    drops_negative: bool
    where: Mapping[str, Any]
    labelled: bool = False
    plural: bool = True
    control: bool = False

    def shaped(self, values: Tensor) -> Tensor:
        """Maps (T, *S) as an explanation has those of one sample: without the axis of targets where there is one alone."""
        return values if self.plural else values[0]

    @property
    def fuses(self) -> bool:
        """Whether there is one finished map of all layers."""
        return bool(self.finish["fuse"] != "none")


_KINDS = {
    "options": "json",
    "target": "json",
    "finish": "json",
    "where": "json",
    "layers": pa.list_(pa.string()),
    "maps": pa.list_(pa.string()),
    "strides": pa.list_(pa.float64()),
    "space": pa.list_(pa.int32()),
    "seed": pa.int64(),
    "signed": pa.bool_(),
    "drops_negative": pa.bool_(),
    "labelled": pa.bool_(),
    "plural": pa.bool_(),
    "control": pa.bool_(),
}


def to_table(trials: Sequence[StoredTrial]) -> pa.Table:
    """The trials as a table: values that are mappings as JSON, and a column of its own for every swept key."""
    columns: dict[str, Any] = {}
    for item in fields(StoredTrial):
        kind = _KINDS.get(item.name, pa.string())
        values = [getattr(trial, item.name) for trial in trials]
        if kind == "json":
            values, kind = [json.dumps(dict(value)) for value in values], pa.string()
        columns[item.name] = pa.array(values, kind)
    for key in dict.fromkeys(key for trial in trials for key in trial.where):
        columns.setdefault(key, _axis([trial.where.get(key) for trial in trials]))
    return pa.table(columns)


def from_table(table: pa.Table) -> tuple[StoredTrial, ...]:
    """The trials of a table."""
    names = [item.name for item in fields(StoredTrial) if item.name in table.column_names]
    return tuple(StoredTrial(**{name: _read(name, row[name]) for name in names}) for row in table.to_pylist())


def _read(name: str, value: Any) -> Any:
    if _KINDS.get(name) == "json":
        return json.loads(value)
    return tuple(value) if isinstance(value, list) else value


def _axis(values: Sequence[Any]) -> pa.Array:
    """Numbers stay numbers; what is no plain value is written as JSON."""
    for kinds, arrow in (((bool,), pa.bool_()), ((int,), pa.int64()), ((int, float), pa.float64())):
        if all(value is None or type(value) in kinds for value in values):
            return pa.array(values, arrow)
    plain = [value if value is None or isinstance(value, str) else json.dumps(value) for value in values]
    return pa.array(plain, pa.string())
