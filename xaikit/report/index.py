"""Which rows of a run folder belong to the plan, and which trials share them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from xaikit.plain.remarks import holds_for
from xaikit.report.record import Record
from xaikit.store.doubles import PART, PLACE, SAME, older, placed, spans
from xaikit.store.measures import StoredMetric, read_measures
from xaikit.store.rows import ROWS
from xaikit.store.store import Store
from xaikit.store.tables import VanishedPart
from xaikit.store.trials import StoredTrial, from_table

T = TypeVar("T")

Entry = tuple[Record, StoredTrial, Mapping[str, Any]]
"""A record, with its trial and its row."""


_LOOKUPS = 9  # before whoever merges parts all the time is given up on


_SHARED = [item.name for item in fields(Record) if item.name in ROWS.names and item.name not in ("warnings", "truth")]
"""What a record and its row call by one name."""


@dataclass(frozen=True)
class PlannedPhotograph:
    """A photograph of the plan; ``image`` is its digest where that is known, ``truth`` the class that its data states, by its
    index and in words, ``boxes`` where its data states that objects are, as JSON."""

    position: int
    stem: str
    image: str | None
    truth: int | None
    truth_name: str
    boxes: str | None = None


class Index:
    """The plan of a run folder, and the rows that are its own."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.trials: tuple[StoredTrial, ...] = from_table(store.trials())

    @cached_property
    def metrics(self) -> tuple[StoredMetric, ...]:
        """What judges the maps of the plan."""
        return tuple(StoredMetric(**metric) for metric in self.store.plan().get("metrics", ()))

    def measures(self) -> pa.Table:
        """What was measured of the maps that there are now: :data:`xaikit.store.measures.MEASURES`."""
        benches = dict.fromkeys(trial.bench for trial in self.trials)
        table = read_measures(self.store.folder, benches, [metric.id for metric in self.metrics])
        about = ("bench", "evidence", "name", "column", "checksum")
        rows = self.rows()
        stored = set(zip(*(rows[name].to_pylist() for name in about), strict=True))
        measured = zip(*(table[name].to_pylist() for name in about), strict=True)
        return table.filter(pa.array([each in stored for each in measured], pa.bool_()))

    @cached_property
    def photographs(self) -> Mapping[str, Mapping[str, PlannedPhotograph]]:
        """By bench and name, in the order of the plan."""
        photographs: dict[str, dict[str, PlannedPhotograph]] = defaultdict(dict)
        for row in self.store.photographs().to_pylist():
            about = {name: row[name] for name in ("position", "stem", "image", "truth")}
            truth_name = row.get("truth_name") or ""  # folders of before have none
            photographs[row["bench"]][row["name"]] = PlannedPhotograph(
                **about, truth_name=truth_name, boxes=row.get("boxes")
            )
        return dict(photographs)

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """The parts that hold rows of the plan's benches."""
        benches = dict.fromkeys(trial.bench for trial in self.trials)
        return tuple(part for bench in benches for part in self.store.parts(bench))

    def on_current_parts(self, read: Callable[[], T]) -> T:
        """What reading the parts gives; they are looked up again where some were merged since, by somebody else."""
        for _ in range(_LOOKUPS):
            try:
                return read()
            except VanishedPart:
                for looked_up in ("parts", "superseded"):
                    self.__dict__.pop(looked_up, None)
        return read()

    @cached_property
    def edited(self) -> frozenset[str]:
        """The names of photographs whose file was another once, of which there are rows still."""
        tables = [self.store.rows([part], ["name", "image"]) for part in self.parts]
        if not tables:
            return frozenset()
        counts = pa.concat_tables(tables).group_by("name").aggregate([("image", "count_distinct")])
        return frozenset(counts.filter(pc.greater(counts["image_count_distinct"], 1))["name"].to_pylist())

    @cached_property
    def by_evidence(self) -> Mapping[tuple[str, str], tuple[StoredTrial, ...]]:
        """The trials that share rows, by bench and evidence."""
        trials: dict[tuple[str, str], list[StoredTrial]] = defaultdict(list)
        for trial in self.trials:
            trials[trial.bench, trial.evidence].append(trial)
        return {key: tuple(shared) for key, shared in trials.items()}

    def rows(self, parts: Iterable[str] | None = None, names: Collection[str] | None = None) -> pa.Table:
        """The rows of the plan, of some parts and photographs where these are given."""
        if parts is None:
            return self.on_current_parts(lambda: self.rows(self.parts, names))
        filters = {"evidence": {trial.evidence for trial in self.trials}, **({} if names is None else {"name": names})}
        tables = [ROWS.empty_table()]
        # part by part: few rows may be left of many
        for part in parts:
            table = self.part(part)
            for column, values in filters.items():
                table = table.filter(pc.is_in(table[column], pa.array(values, pa.string())))
            tables.append(table)
        return self._current(pa.concat_tables(tables))

    def part(self, part: str) -> pa.Table:
        """The rows of a part, without those that another part has newer ones for."""
        table = self.store.rows([part])
        if part not in self.superseded:
            return table
        return table.filter(pc.invert(pc.is_in(pa.array(range(table.num_rows), pa.int64()), self.superseded[part])))

    @cached_property
    def superseded(self) -> Mapping[str, pa.Array]:
        """The places of rows that a newer one takes the place of, by part; of most folders there are none."""
        about = ((part, self.store.evidence(part)) for part in self.parts)
        columns = [*SAME, "image", "truth", "commit"]
        older_rows = []
        for span in spans(self.store.folder, about):
            if len(names := span.doubled()):
                tables = (placed(self.store.rows([part], columns), part) for part in span.parts)
                chosen = [table.filter(pc.is_in(table["name"], names)) for table in tables]
                older_rows.append(older(self._current(pa.concat_tables(chosen))))
        table = pa.concat_tables(older_rows) if older_rows else pa.table({PART: [], PLACE: []})
        return {part: table.filter(pc.equal(table[PART], part))[PLACE] for part in table[PART].unique().to_pylist()}

    def _current(self, table: pa.Table) -> pa.Table:
        """Without what the plan does not have of a bench, and photographs whose file or label has changed since."""
        columns = [table[name].to_pylist() for name in ("bench", "evidence", "name", "image", "truth")]
        current = [self._is_current(*values) for values in zip(*columns, strict=True)]
        return table if all(current) else table.filter(pa.array(current, pa.bool_()))

    def _is_current(self, bench: str, evidence: str, name: str, image: str, truth: int | None) -> bool:
        photograph = self.photographs.get(bench, {}).get(name)
        trials = self.by_evidence.get((bench, evidence))
        if photograph is None or trials is None:
            return False
        return photograph.image in (None, image) and truth == (photograph.truth if trials[0].labelled else None)

    def records(self, table: pa.Table) -> list[Entry]:
        """A record for each trial that shares a row, with the row: by photograph, then by trial, then by column."""
        entries = [
            (record(row, trial, self.photographs[trial.bench][row["name"]]), trial, row)
            for row in table.to_pylist()
            for trial in self.by_evidence[row["bench"], row["evidence"]]
        ]
        return sorted(entries, key=self._place)

    def _place(self, entry: Entry) -> tuple[int, int, int]:
        record, trial, _ = entry
        position = self.photographs[trial.bench][record.name].position
        return position, self._places[trial.bench, trial.name], record.column

    @cached_property
    def _places(self) -> Mapping[tuple[str, str], int]:
        return {(trial.bench, trial.name): place for place, trial in enumerate(self.trials)}


def record(row: Mapping[str, Any], trial: StoredTrial, photograph: PlannedPhotograph) -> Record:
    """The record of one trial for a row."""
    is_known = None not in (row["prediction"], photograph.truth)
    return Record(
        **{name: row[name] for name in _SHARED},
        stem=photograph.stem,
        truth=photograph.truth,
        truth_name=photograph.truth_name,
        correct=row["prediction"] == photograph.truth if is_known else None,
        trial=trial.name,
        label=trial.label,
        layers=trial.layers,
        # rows are shared whatever the finish
        warnings=tuple(text for text in row["warnings"] or () if holds_for(text, trial.drops_negative)),
    )
