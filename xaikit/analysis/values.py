"""The values of groups of trials by one measure, as numpy arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Floats = NDArray[np.float64]


Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Values:
    """One group by one measure: a row for each photograph, target, seed and further axis.

    unit   number of photograph and target together: photograph * width + place on the target axis
    width  places on the target axis
    """

    unit: Ints
    seed: Ints
    value: Floats
    width: int

    @cached_property
    def by_photograph(self) -> Floats:
        """The mean of every photograph."""
        return means(self.unit // self.width, self.value)

    @cached_property
    def by_unit(self) -> tuple[Ints, Floats]:
        """The units in ascending order, and the mean of each."""
        return np.unique(self.unit), means(self.unit, self.value)

    @cached_property
    def seeds(self) -> tuple[int, ...]:
        """The seeds in ascending order."""
        return tuple(np.unique(self.seed).tolist())

    @cached_property
    def spread(self) -> float:
        """Standard deviation (n - 1) of the means by seed; NaN for one seed, or where a value is not finite."""
        if len(self.seeds) < 2 or not np.isfinite(self.value).all():
            return math.nan
        photograph = self.unit // self.width
        by_seed = [means(photograph[here], self.value[here]).mean() for here in (self.seed == s for s in self.seeds)]
        return float(np.std(by_seed, ddof=1))

    def shared(self, other: Values) -> tuple[Floats, Floats]:
        """The means of the photographs that both have, over the targets that both have, in the same order."""
        (units, mine), (others, its) = self.by_unit, other.by_unit
        both, here, there = np.intersect1d(units, others, assume_unique=True, return_indices=True)
        photograph = both // self.width
        return means(photograph, mine[here]), means(photograph, its[there])


def values(rows: pa.Table, by: str) -> Mapping[str, Values]:
    """The rows of one measure (see :func:`xaikit.analysis.table.table`), by group; numbers are the same in all groups."""
    images, _ = _coded(rows["image"])
    names, _ = _coded(rows["name"])
    _, photograph = np.unique(images * (int(names.max(initial=0)) + 1) + names, return_inverse=True)
    column = rows["column"].to_numpy().astype(np.int64)
    width = int(column.max(initial=0)) + 1
    unit, seed, value = photograph * width + column, rows["seed"].to_numpy(), rows["value"].to_numpy()
    group, words = _coded(rows[by])
    found = {word: np.flatnonzero(group == number) for number, word in enumerate(words)}
    return {word: Values(unit[at], seed[at], value[at], width) for word, at in found.items() if len(at)}


def means(keys: Ints, found: Floats) -> Floats:
    """The mean of the values of each key, keys in ascending order."""
    different, inverse = np.unique(keys, return_inverse=True)
    sums = np.bincount(inverse, found, len(different))
    counts: Floats = np.bincount(inverse, None, len(different)).astype(np.float64)
    mean: Floats = sums / counts
    return mean


def _coded(column: pa.ChunkedArray) -> tuple[Ints, list[str]]:
    """A column of words as numbers, and the word of each number."""
    whole = column.combine_chunks()
    return whole.indices.to_numpy().astype(np.int64), whole.dictionary.to_pylist()
