"""Photographs on which the model is right, and those on which it is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from xaikit.errors import ConfigError
from xaikit.report.report import Report

Only = Literal["right", "wrong"]

_KEYS = ("image", "name", "model")


def known_predictions(report: Report) -> pa.Table:
    """Each photograph and model (image, name, model) of which it is known whether the prediction is ``correct``.

    Raises:
        StoreError: the run is damaged.
    """
    return report.query(f"SELECT DISTINCT {', '.join(_KEYS)}, correct FROM records WHERE correct IS NOT NULL")


def only_of(rows: pa.Table, predictions: pa.Table, only: Only | None) -> pa.Table:
    """The rows of photographs on which the model is right, or wrong; all of them for None.

    Raises:
        ConfigError: there is no such word, or no such photograph.
    """
    if only is None:
        return rows
    if only not in ("right", "wrong"):
        raise ConfigError(f"only: expected right or wrong, got {only!r}")
    chosen = predictions.filter(pc.equal(predictions["correct"], only == "right"))
    if not chosen.num_rows:
        known = f"all {predictions.num_rows} that are known are {'wrong' if only == 'right' else 'right'}"
        raise ConfigError(
            f"only: no photograph is {only}: {known if predictions.num_rows else 'the data states no classes'}"
        )
    return rows.filter(pc.is_in(_keys(rows), _keys(chosen)))


def sentences(predictions: pa.Table, only: Only | None) -> Iterator[str]:
    """How many of them are right; nothing where nothing is known."""
    right, count = pc.sum(predictions["correct"]).as_py() or 0, predictions.num_rows
    if not count:
        return
    which = f"these are the {only} ones alone" if only else "--only right, or wrong, compares these alone"
    yield f"predictions: {right} of {count} are right; {which}"


def _keys(table: pa.Table) -> pa.Array:
    """One text a row, by photograph and model."""
    columns = [table[name].cast(pa.string()).combine_chunks() for name in _KEYS]
    return pc.binary_join_element_wise(*columns, "\n")
