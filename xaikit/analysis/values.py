"""The values of groups of trials by one measure, averaged over all that is not a photograph."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Floats = NDArray[np.float64]


PHOTOGRAPH = ("image", "name")


TARGET = (*PHOTOGRAPH, "column")
"""Of a photograph: a place on its target axis."""


def rows_by(rows: pa.Table, by: str) -> Mapping[str, pa.Table]:
    """The rows of one measure (see :func:`xaikit.analysis.table.table`), by group."""
    plain = rows.select([by, *TARGET, "seed", "value"])
    # Arrow joins no dictionaries
    words = [field.with_type(pa.string()) if pa.types.is_dictionary(field.type) else field for field in plain.schema]
    plain = plain.cast(pa.schema(words))
    return {name: plain.filter(pc.equal(plain[by], name)) for name in pc.unique(plain[by]).to_pylist()}


def means(rows: pa.Table, keys: Sequence[str], columns: Sequence[str] = ("value",)) -> pa.Table:
    """The mean of columns for each value of some keys, in ascending order of these."""
    grouped = rows.group_by(list(keys)).aggregate([(column, "mean") for column in columns])
    renamed = grouped.select([*keys, *(f"{column}_mean" for column in columns)]).rename_columns([*keys, *columns])
    return renamed.sort_by([(key, "ascending") for key in keys])


def spread(rows: pa.Table) -> float:
    """Standard deviation (n - 1) of the means by seed, over the photographs that are defined; NaN for one seed."""
    of_photographs = means(rows, (*PHOTOGRAPH, "seed"))
    whole = means(of_photographs, PHOTOGRAPH)
    defined = whole.filter(pc.is_finite(whole["value"])).select(PHOTOGRAPH)
    by_seed = np.asarray(means(of_photographs.join(defined, list(PHOTOGRAPH), join_type="inner"), ["seed"])["value"])
    return float(np.std(by_seed, ddof=1)) if len(by_seed) > 1 else math.nan


def shared(one: pa.Table, other: pa.Table) -> tuple[Floats, Floats]:
    """Of the means by target of two groups, those of the photographs that both have, over the targets that both have."""
    both = one.join(other, list(TARGET), join_type="inner", right_suffix="_of_other")
    photographs = means(both, PHOTOGRAPH, ("value", "value_of_other"))
    return np.asarray(photographs["value"]), np.asarray(photographs["value_of_other"])
