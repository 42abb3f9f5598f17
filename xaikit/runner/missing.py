"""What a run folder already holds of a plan, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from xaikit.bench.loader import Loader
from xaikit.sources import Photograph
from xaikit.store import ROWS, Store


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
    rows = store.rows(parts)
    held = _Held(rows)
    missing, digests, adopted = [], {}, []
    for photograph in photographs:
        digest = _digest(photograph)
        truth = loader.label(photograph)[0] if labelled else None
        found = {key: held.rows(key, digest, truth if key in labelled else None) for key in wanted}
        missing.append(frozenset(key for key, places in found.items() if not places))
        if digest:
            digests[photograph.name] = digest
        adopted += [
            (place, photograph.name) for places in found.values() for place in held.foreign(places, photograph.name)
        ]
    return MissingEvidence(tuple(missing), digests, _renamed(rows, adopted))


class _Held:
    """The rows of a bench by what they stand for."""

    def __init__(self, rows: pa.Table) -> None:
        self._names = rows["name"].to_pylist()
        self._columns = rows["column"].to_pylist()
        self._places: dict[tuple[str, str, int | None], list[int]] = {}
        keys = zip(rows["evidence"].to_pylist(), rows["image"].to_pylist(), rows["truth"].to_pylist(), strict=True)
        for place, key in enumerate(keys):
            self._places.setdefault(key, []).append(place)

    def rows(self, evidence: str, image: str, truth: int | None) -> list[int]:
        """Where the rows of one evidence of one photograph are."""
        return self._places.get((evidence, image, truth), [])

    def foreign(self, places: Sequence[int], name: str) -> list[int]:
        """One row a column, where all rows bear another name."""
        if not places or any(self._names[place] == name for place in places):
            return []
        return list({self._columns[place]: place for place in places}.values())


def _digest(photograph: Photograph) -> str:
    """The digest of its bytes, "" where they cannot be read: that is found out when its turn comes."""
    try:
        return photograph.digest()
    except OSError:
        return ""


def _renamed(rows: pa.Table, adopted: Sequence[tuple[int, str]]) -> pa.Table:
    if not adopted:
        return ROWS.empty_table()
    taken = rows.take(pa.array([place for place, _ in adopted], pa.int64()))
    names = pa.array([name for _, name in adopted], pa.string())
    return taken.set_column(ROWS.get_field_index("name"), ROWS.field("name"), names)
