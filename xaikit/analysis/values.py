"""The values of groups of trials by one measure, averaged over all that is not a photograph."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Floats = NDArray[np.float64]


PHOTOGRAPH = ("image", "name")


TARGET = (*PHOTOGRAPH, "column")
"""Of a photograph: a place on its target axis."""


@dataclass(frozen=True)
class Values:
    """One group by one measure; ``rows`` has one for each photograph, target, seed and further axis."""

    rows: pa.Table

    @cached_property
    def by_photograph(self) -> Floats:
        """The mean of every photograph."""
        return _floats(means(self.rows, PHOTOGRAPH)["value"])

    @cached_property
    def by_target(self) -> pa.Table:
        """The mean of every photograph and target."""
        return means(self.rows, TARGET)

    @cached_property
    def seeds(self) -> tuple[int, ...]:
        """The seeds in ascending order."""
        return tuple(sorted(pc.unique(self.rows["seed"]).to_pylist()))

    @cached_property
    def spread(self) -> float:
        """Standard deviation (n - 1) of the means by seed; NaN for one seed, or where a value is not finite."""
        if len(self.seeds) < 2 or not np.isfinite(_floats(self.rows["value"])).all():
            return math.nan
        by_seed = means(means(self.rows, (*PHOTOGRAPH, "seed")), ["seed"])
        return float(np.std(_floats(by_seed["value"]), ddof=1))

    def shared(self, other: Values) -> tuple[Floats, Floats]:
        """The means of the photographs that both have, over the targets that both have, in the same order."""
        both = self.by_target.join(other.by_target, list(TARGET), join_type="inner", right_suffix="_of_other")
        columns = ("value", "value_of_other")
        photographs = means(both, PHOTOGRAPH, columns)
        mine, others = (_floats(photographs[column]) for column in columns)
        return mine, others


def values_by(rows: pa.Table, by: str) -> Mapping[str, Values]:
    """The rows of one measure (see :func:`xaikit.analysis.table.table`), by group."""
    plain = rows.select([by, *TARGET, "seed", "value"])
    # Arrow joins no dictionaries
    words = [field.with_type(pa.string()) if pa.types.is_dictionary(field.type) else field for field in plain.schema]
    plain = plain.cast(pa.schema(words))
    return {name: Values(plain.filter(pc.equal(plain[by], name))) for name in pc.unique(plain[by]).to_pylist()}


def means(rows: pa.Table, keys: Sequence[str], columns: Sequence[str] = ("value",)) -> pa.Table:
    """The mean of columns for each value of some keys, in ascending order of these."""
    grouped = rows.group_by(list(keys)).aggregate([(column, "mean") for column in columns])
    renamed = grouped.select([*keys, *(f"{column}_mean" for column in columns)]).rename_columns([*keys, *columns])
    return renamed.sort_by([(key, "ascending") for key in keys])


def _floats(column: pa.ChunkedArray) -> Floats:
    values: Floats = column.to_numpy()
    return values
