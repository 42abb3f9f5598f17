"""What a run folder already holds of a plan, and what is missing."""

from __future__ import annotations

from collections import defaultdict
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
    rows = store.rows(parts)
    names, columns, places = rows["name"].to_pylist(), rows["column"].to_pylist(), _places(rows)
    missing, digests = [], {}
    adopted: list[tuple[int, str]] = []
    for photograph in photographs:
        digest = _digest(photograph)
        truth = loader.label(photograph)[0] if labelled else None
        stored = {key: places.get((key, digest, truth if key in labelled else None), []) for key in wanted}
        missing.append(frozenset(key for key in wanted if not stored[key]))
        if digest:
            digests[photograph.name] = digest
        for several in stored.values():
            # one row a column, where all rows bear another name
            if all(names[place] != photograph.name for place in several):
                adopted += {columns[place]: (place, photograph.name) for place in several}.values()
    return MissingEvidence(tuple(missing), digests, _renamed(rows, adopted))


def _places(rows: pa.Table) -> Mapping[tuple[str, str, int | None], Sequence[int]]:
    """Where the rows of one evidence of one photograph are, by evidence, image and truth."""
    places = defaultdict(list)
    for place, key in enumerate(zip(*(rows[name].to_pylist() for name in ("evidence", "image", "truth")), strict=True)):
        places[key].append(place)
    return places


def _renamed(rows: pa.Table, adopted: Sequence[tuple[int, str]]) -> pa.Table:
    """Some of the rows, under new names."""
    table = rows.take(pa.array([place for place, _ in adopted], pa.int64()))
    names = pa.array([name for _, name in adopted], pa.string())
    return table.set_column(ROWS.get_field_index("name"), ROWS.field("name"), names)


def _digest(photograph: Photograph) -> str:
    """The digest of its bytes, "" where they cannot be read: that is found out when its turn comes."""
    try:
        return photograph.digest()
    except OSError:
        return ""
