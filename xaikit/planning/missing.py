"""What a run folder already holds of a plan, and what is missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from xaikit.bench.loader import Loader
from xaikit.errors import DataError
from xaikit.schema.classes import Classes
from xaikit.sources import Photograph
from xaikit.store.names import model_of
from xaikit.store.rows import ROWS, with_column
from xaikit.store.store import Store


@dataclass(frozen=True)
class MissingEvidence:
    """What is missing of one bench.

    missing  the evidence that each photograph misses, in the order of the plan
    digests  of the photographs whose file had to be looked at
    truths   the class that the data states of each photograph, in the order of the plan; None where the model knows none
    adopted  rows of photographs that the folder knows under another name, from other data or with other names of the
             classes, as they are in this bench
    """

    missing: tuple[frozenset[str], ...]
    digests: Mapping[str, str]
    truths: tuple[int | None, ...]
    adopted: pa.Table

    @property
    def photographs(self) -> int:
        """How many miss something."""
        return sum(map(bool, self.missing))


class StoredResults:
    """The rows that a folder has of a model, whatever the data and the names of its classes were.

    Raises:
        StoreError: the folder is damaged.
    """

    def __init__(self, store: Store, model: str, evidence: Collection[str]) -> None:
        benches = [bench for bench in store.benches() if model_of(bench) == model]
        for bench in benches:
            store.check(bench)
        tables = [store.rows([part]) for bench in benches for part in store.parts(bench)]
        wanted = pa.array(evidence, pa.string())
        tables = [table.filter(pc.is_in(table["evidence"], wanted)) for table in tables]
        self.rows = pa.concat_tables([ROWS.empty_table(), *tables])
        self.is_empty = not tables
        about = ("bench", "name", "column", "commit")
        self._about = list(zip(*(self.rows[name].to_pylist() for name in about), strict=True))
        self._places = defaultdict(list)
        key = (self.rows[name].to_pylist() for name in ("evidence", "image", "truth"))
        for place, of_row in enumerate(zip(*key, strict=True)):
            self._places[of_row].append(place)

    def places(self, bench: str, name: str, evidence: str, image: str, truth: int | None) -> tuple[list[int], bool]:
        """Where the rows of an evidence of a photograph are, one a column; and whether they are those of this bench and name.

        Of several that would do, the newest are taken.
        """
        places = self._places.get((evidence, image, truth), [])
        own = [place for place in places if self._about[place][:2] == (bench, name)]
        newest = max(places, key=lambda place: self._about[place][3] or 0, default=None)
        if own or newest is None:
            return own, True
        source = self._about[newest][:2]
        return list(
            {self._about[place][2]: place for place in places if self._about[place][:2] == source}.values()
        ), False


def find_missing(
    stored: StoredResults,
    bench: str,
    photographs: Sequence[Photograph],
    loader: Loader,
    evidence: Sequence[str],
    labelled: frozenset[str],
) -> MissingEvidence:
    """Compare a plan with what a folder has.

    Args:
        evidence: that every photograph is to have.
        labelled: the evidence that depends on the class that the data states.
    """
    wanted = frozenset(evidence)
    truths = tuple(loader.label(photograph)[0] for photograph in photographs)
    if stored.is_empty:
        return MissingEvidence((wanted,) * len(photographs), {}, truths, ROWS.empty_table())
    missing, digests = [], {}
    adopted: list[tuple[int, str]] = []
    for photograph, truth in zip(photographs, truths, strict=True):
        digest, lacking = _digest(photograph), set()
        for key in wanted:
            places, is_own = stored.places(bench, photograph.name, key, digest, truth if key in labelled else None)
            lacking |= set() if places else {key}
            adopted += [] if is_own else [(place, photograph.name) for place in places]
        missing.append(frozenset(lacking))
        if digest:
            digests[photograph.name] = digest
    return MissingEvidence(tuple(missing), digests, truths, _adopted(stored.rows, adopted, bench, loader.classes))


def _adopted(rows: pa.Table, adopted: Sequence[tuple[int, str]], bench: str, classes: Classes) -> pa.Table:
    """Some of the rows, as they are in a bench: under new names, their classes by the names that these have there."""
    table = rows.take(pa.array([place for place, _ in adopted], pa.int64()))
    table = with_column(table, "bench", [bench] * len(adopted))
    table = with_column(table, "name", [name for _, name in adopted])
    for index in ("target", "prediction"):
        names = [classes.name(value) for value in table[index].to_pylist()]
        table = with_column(table, f"{index}_name", names)
    return table


def _digest(photograph: Photograph) -> str:
    """The digest of its bytes, "" where they cannot be read: that is found out when its turn comes."""
    try:
        return photograph.digest()
    except (DataError, OSError):
        return ""
