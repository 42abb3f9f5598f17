"""What a run folder already holds of a plan, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from xaikit.bench.loader import Loader
from xaikit.sources import Photograph
from xaikit.store.rows import ROWS
from xaikit.store.store import Store


@dataclass(frozen=True)
class MissingEvidence:
    """What is missing of one bench.

    missing  the evidence that each photograph misses, in the order of the plan
    digests  of the photographs whose file had to be looked at
    adopted  rows of photographs that the folder knows under another name, under this one
    """

    missing: tuple[frozenset[str], ...]
    digests: Mapping[str, str]
    adopted: pa.Table

    @property
    def photographs(self) -> int:
        """How many miss something."""
        return sum(map(bool, self.missing))


def find_missing(
    store: Store,
    bench: str,
    photographs: Sequence[Photograph],
    loader: Loader,
    evidence: Sequence[str],
    labelled: frozenset[str],
) -> MissingEvidence:
    """Compare a plan with a folder.

    Args:
        evidence: that every photograph is to have.
        labelled: the evidence that depends on the class that the data states.

    Raises:
        StoreError: the folder is damaged.
    """
    wanted = frozenset(evidence)
    parts = store.parts(bench)
    if not parts:
        return MissingEvidence((wanted,) * len(photographs), {}, ROWS.empty_table())
    store.check(bench)
    stored = _StoredRows(store.rows(parts))
    missing, digests, adopted = [], {}, []
    for photograph in photographs:
        digest = _digest(photograph)
        truth = loader.label(photograph)[0] if labelled else None
        places = {key: stored.places(key, digest, truth if key in labelled else None) for key in wanted}
        missing.append(frozenset(key for key in wanted if not places[key]))
        if digest:
            digests[photograph.name] = digest
        adopted += [
            (place, photograph.name) for key in wanted for place in stored.foreign(places[key], photograph.name)
        ]
    return MissingEvidence(tuple(missing), digests, stored.renamed(adopted))


class _StoredRows:
    """The rows of a bench by what they stand for."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table
        self._names = table["name"].to_pylist()
        self._columns = table["column"].to_pylist()
        self._places: dict[tuple[str, str, int | None], list[int]] = {}
        keys = zip(*(table[name].to_pylist() for name in ("evidence", "image", "truth")), strict=True)
        for place, key in enumerate(keys):
            self._places.setdefault(key, []).append(place)

    def places(self, evidence: str, image: str, truth: int | None) -> list[int]:
        """Where the rows of one evidence of one photograph are."""
        return self._places.get((evidence, image, truth), [])

    def foreign(self, places: Sequence[int], name: str) -> list[int]:
        """One row a column, where all rows bear another name."""
        if any(self._names[place] == name for place in places):
            return []
        return list({self._columns[place]: place for place in places}.values())

    def renamed(self, rows: Sequence[tuple[int, str]]) -> pa.Table:
        """Some rows under new names."""
        table = self._table.take(pa.array([place for place, _ in rows], pa.int64()))
        names = pa.array([name for _, name in rows], pa.string())
        return table.set_column(ROWS.get_field_index("name"), ROWS.field("name"), names)


def _digest(photograph: Photograph) -> str:
    """The digest of its bytes, "" where they cannot be read: that is found out when its turn comes."""
    try:
        return photograph.digest()
    except OSError:
        return ""
