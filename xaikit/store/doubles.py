"""Rows that say the same of the same photograph: two drivers did one work, a part was copied, what was taken over came anew.

The newest counts: by the time of its commit, then by the name of its part, then by its place there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from xaikit.store.folder import Folder
from xaikit.store.tables import present, read_sealed

SAME = ("bench", "evidence", "name", "column")
"""The columns in which rows agree of which a run shows one."""

PART, PLACE = "part", "place"
"""The columns of :func:`placed` that say where a row stands."""


@dataclass(frozen=True)
class Span:
    """Parts that have some evidence in common, through one another, and the photographs of each."""

    evidence: frozenset[str]
    parts: tuple[str, ...]
    names: tuple[pa.Array, ...]

    def joined(self, other: Span) -> Span:
        """Both as one."""
        return Span(self.evidence | other.evidence, self.parts + other.parts, self.names + other.names)

    def doubled(self) -> pa.Array:
        """The photographs that more than one of the parts has."""
        counts = pa.chunked_array(self.names, pa.string()).value_counts()
        return counts.field("values").filter(pc.greater(counts.field("counts"), 1))


def spans(folder: Folder, parts: Iterable[tuple[str, frozenset[str]]]) -> list[Span]:
    """Parts, each with its evidence, by what may be in more than one of them. Only one column is read, by its dictionary.

    Raises:
        DamagedFile, VanishedPart: a part cannot be read.
    """
    joined: list[Span] = []
    for part, evidence in parts:
        span = Span(evidence, (part,), tuple(_names(folder, part)))
        for other in [each for each in joined if each.evidence & evidence]:
            joined.remove(other)
            span = other.joined(span)
        joined.append(span)
    return joined


def _names(folder: Folder, part: str) -> list[pa.Array]:
    """The photographs of a part, each once a row group."""
    with present(folder, part):
        data = pa.BufferReader(read_sealed(folder, part))
    with pq.ParquetFile(data, read_dictionary=["name"]) as file:
        return [chunk.dictionary for chunk in file.read(["name"])["name"].chunks]


def placed(rows: pa.Table, part: str) -> pa.Table:
    """Rows of a part with where they stand."""
    names = pa.repeat(pa.scalar(part), rows.num_rows)
    return rows.append_column(PART, names).append_column(PLACE, pa.array(range(rows.num_rows), pa.int64()))


def older(rows: pa.Table, same: Sequence[str] = SAME) -> pa.Table:
    """Where those of some :func:`placed` rows stand that a newer one takes the place of: part and place."""
    columns = [*same, "commit", PART, PLACE]
    order = [("commit", "descending"), (PART, "ascending"), (PLACE, "ascending")]
    ranked = rows.select(columns).sort_by(order)
    ranked = ranked.append_column("rank", pa.array(range(ranked.num_rows), pa.int64()))
    first = ranked.group_by(list(same), use_threads=False).aggregate([("rank", "min")])
    is_older = pc.invert(pc.is_in(ranked["rank"], first["rank_min"].combine_chunks()))
    return ranked.filter(is_older).select([PART, PLACE])
