"""Which rows of a run folder belong to the plan, and which trials share them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from xaikit.explanation import holds_for
from xaikit.report.record import Record
from xaikit.store import Store
from xaikit.store.trials import StoredTrial, from_table


@dataclass(frozen=True)
class PlannedPhotograph:
    """A photograph of the plan; ``image`` is its digest where that is known."""

    position: int
    stem: str
    image: str | None


class Index:
    """The plan of a run folder, and the rows that are its own."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.trials: tuple[StoredTrial, ...] = from_table(store.trials())

    @cached_property
    def photographs(self) -> Mapping[str, Mapping[str, PlannedPhotograph]]:
        """By bench and name, in the order of the plan."""
        found: dict[str, dict[str, PlannedPhotograph]] = {}
        for row in self.store.photographs().to_pylist():
            found.setdefault(row["bench"], {})[row["name"]] = PlannedPhotograph(
                row["position"], row["stem"], row["image"]
            )
        return found

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """The parts that hold rows of the plan's benches."""
        benches = dict.fromkeys(trial.bench for trial in self.trials)
        return tuple(part for bench in benches for part in self.store.parts(bench))

    @cached_property
    def by_evidence(self) -> Mapping[tuple[str, str], tuple[StoredTrial, ...]]:
        """The trials that share rows, by bench and evidence."""
        found: dict[tuple[str, str], tuple[StoredTrial, ...]] = {}
        for trial in self.trials:
            key = trial.bench, trial.evidence
            found[key] = (*found.get(key, ()), trial)
        return found

    def rows(self, parts: Iterable[str] | None = None, names: Iterable[str] | None = None) -> pa.Table:
        """The rows of the plan, of some parts and photographs where these are given."""
        chosen = self.parts if parts is None else parts
        if names is None:
            return self._current(self._planned(self.store.rows(chosen)))
        wanted = pa.array(list(names), pa.string())
        # part by part: few rows are left of many
        tables = [self._planned(self.store.rows([part])) for part in chosen]
        few = [table.filter(pc.is_in(table["name"], wanted)) for table in tables]
        return self._current(pa.concat_tables(few) if few else self.store.rows([]))

    def _planned(self, table: pa.Table) -> pa.Table:
        """The rows of evidence that some trial asks for."""
        evidence = pa.array(dict.fromkeys(trial.evidence for trial in self.trials), pa.string())
        return table.filter(pc.is_in(table["evidence"], evidence))

    def _current(self, table: pa.Table) -> pa.Table:
        """Without what the plan does not have of a bench, and photographs whose file has changed since."""
        columns = [table[name].to_pylist() for name in ("bench", "evidence", "name", "image")]
        keep = [
            (bench, evidence) in self.by_evidence
            and (known := self.photographs.get(bench, {}).get(name)) is not None
            and known.image in (None, image)
            for bench, evidence, name, image in zip(*columns, strict=True)
        ]
        return table if all(keep) else table.filter(pa.array(keep, pa.bool_()))

    def records(self, table: pa.Table) -> Iterator[tuple[Record, StoredTrial, Mapping[str, Any]]]:
        """A record for each trial that shares a row, with the row: by photograph, then by trial, then by column."""
        order = {(trial.bench, trial.name): place for place, trial in enumerate(self.trials)}
        found = [
            (
                (known.position, order[trial.bench, trial.name], row["column"]),
                record(row, trial, known.stem),
                trial,
                row,
            )
            for row in table.to_pylist()
            for trial in self.by_evidence[row["bench"], row["evidence"]]
            for known in [self.photographs[row["bench"]][row["name"]]]
        ]
        found.sort(key=lambda entry: entry[0])
        return ((made, trial, row) for _, made, trial, row in found)


def record(row: Mapping[str, Any], trial: StoredTrial, stem: str) -> Record:
    """The record of one trial for a row."""
    return Record(
        image=row["image"],
        name=row["name"],
        stem=stem,
        trial=trial.name,
        label=trial.label,
        target=row["target"],
        target_name=row["target_name"],
        column=row["column"],
        score=row["score"],
        prediction=row["prediction"],
        prediction_name=row["prediction_name"],
        probability=row["probability"],
        layers=trial.layers,
        # rows are shared whatever the finish
        warnings=tuple(text for text in row["warnings"] or () if holds_for(text, trial.drops_negative)),
        seconds=row["seconds"],
    )
