"""What a run gives back: its maps, records and pictures, without a file name being typed.

Records are read without torch, which takes longer to import than most questions to answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from xaikit.config.arguments import read_finish
from xaikit.errors import StoreError
from xaikit.registry import Registry
from xaikit.report.index import Entry, Index
from xaikit.report.lookup import distinct, find_photograph, find_trial, why_failed
from xaikit.report.measures import measures
from xaikit.report.page.embedded import embedded
from xaikit.report.query import query, to_pandas
from xaikit.report.record import Record
from xaikit.report.warned import grouped_warnings
from xaikit.schema.sections import FinishConfig
from xaikit.store.folder import Disk
from xaikit.store.maps import Array
from xaikit.store.pictures import FORMATS, is_sheet, open_overlay, overlay_name
from xaikit.store.rows import Failure
from xaikit.store.store import Store
from xaikit.store.trials import StoredTrial

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from xaikit.finish import Finish


@dataclass(frozen=True)
class ReportShard:
    """The records of one part of a run, and their maps; what is held in memory at once."""

    records: tuple[Record, ...]
    _report: Report
    _entries: tuple[Entry, ...]

    def maps(self, place: int) -> dict[str, Tensor]:
        """The raw signed maps by layer of the record at a place, in the shapes of :meth:`Report.maps`."""
        return {layer: self._entries[place][1].shaped(raw) for layer, raw in self.raw(place).items()}

    def map(self, place: int) -> Tensor:
        """The finished and fused map of the record at a place. Raises StoreError where the finish does not fuse."""
        trial = self._entries[place][1]
        return trial.shaped(self._report.finish(trial, self.raw(place)))

    def raw(self, place: int) -> dict[str, Tensor]:
        """The same as :meth:`maps`, always with the axis of targets: (T, *S)."""
        _, trial, row = self._entries[place]
        return self._report.raws(trial, [row])[0]


class Report:
    """A run folder, read. A photograph is named by its name, its file name, or its stem; a trial by its name, its label
    where that is the only one, or its id. ``index`` is the plan, and which rows are its own.

    Args:
        folder: of a run, a path or URL.
        base: the folder that finishers of a file (``./mine.py:Mine``) are relative to; where the run's config lay by default.
        trust: whether a finisher that the folder names may be imported from a file or module. Whoever wrote the folder has
            their code run then; without it only installed plugins are.
        registry: where plugins come from, whatever ``trust`` says.
        stopped: why the sitting ended early that this is the report of; what the folder says by default.

    Raises:
        StoreError: there is no run in the folder, or it is damaged.
    """

    def __init__(
        self,
        folder: str | Path,
        base: Path | None = None,
        *,
        trust: bool = False,
        registry: Registry | None = None,
        stopped: str | None = None,
    ) -> None:
        self._store = Store.open(folder)
        self.index = Index(self._store)
        self._registry = registry or Registry(paths=trust)
        self._base = base or Path(self._store.plan().get("base", "."))
        self._stopped = stopped
        self._finishes: dict[str, Finish] = {}
        self.folder: Path | str = self._store.folder.path if isinstance(self._store.folder, Disk) else str(folder)

    def __repr__(self) -> str:
        trials = ", ".join(self.labels) if len(self.trials) <= 8 else f"{len(self.trials)} trials"
        return f"Report({str(self.folder)!r}: {len(self.images)} photographs by {trials}, {len(self.failures)} failed)"

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """What the run says of itself: config, versions, counts, timings. Empty where it was interrupted."""
        return self._store.manifest()

    @property
    def trials(self) -> tuple[StoredTrial, ...]:
        """What the run was planned to hold: one for each trial on each model."""
        return self.index.trials

    @cached_property
    def records(self) -> tuple[Record, ...]:
        """One for every photograph, trial and target that was explained, in the order of the photographs; all of them in
        memory. Iterate over :meth:`shards` where these are many."""
        return tuple(record for record, _, _ in self.index.records(self.rows))

    def head(self, photographs: int) -> tuple[Record, ...]:
        """The records of the first photographs."""
        names = self.images[:photographs]
        return tuple(record for record, _, _ in self.index.records(self.index.rows(names=names)))

    @cached_property
    def failures(self) -> tuple[Failure, ...]:
        """One for every photograph, or evidence of one, that could not be computed."""
        return self._store.failures()

    @cached_property
    def images(self) -> tuple[str, ...]:
        """The names of the photographs that were explained, in their order."""
        explained = set(self.rows["name"].unique().to_pylist())
        return distinct(name for names in self.index.photographs.values() for name in names if name in explained)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the methods, controls aside."""
        return distinct(trial.label for trial in self.trials if not trial.control)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the trials: the labels, where nothing was swept."""
        return distinct(trial.name for trial in self.trials if not trial.control)

    @property
    def counts(self) -> dict[str, Any]:
        """Photographs, forwards, gradient calls, re-runs."""
        return dict(self.manifest.get("counts", {}))

    @property
    def stopped(self) -> str:
        """Why the run ended early: "running" where it has not ended, "killed" where it could not say, "" where it is done."""
        return str(self.manifest.get("stopped", "")) if self._stopped is None else self._stopped

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """Why maps are dead, and what methods had to leave out: a line for each trial, layer and reason, which says of how many
        photographs. Those of each are in its record."""
        return grouped_warnings(self.index, self.rows)

    @property
    def sheets(self) -> tuple[Path | str, ...]:
        """The contact sheets, in order; URLs where the folder is one."""
        names = filter(is_sheet, self._store.folder.names())
        return tuple(self._place(name) for name in sorted(names, key=lambda name: (len(name), name)))

    def shards(self) -> Iterator[ReportShard]:
        """The records part by part, with their maps: for runs that do not fit in memory."""
        for part in self.index.parts:
            entries = self.index.records(self.index.rows([part]))
            if entries:
                yield ReportShard(tuple(record for record, _, _ in entries), self, tuple(entries))

    def __iter__(self) -> Iterator[ReportShard]:
        return self.shards()

    def query(self, sql: str) -> pa.Table:
        """The answer of duckdb to SQL over the views ``records``, ``measures``, ``trials``, ``photographs`` and ``failures``.

        ``records`` has a column for everything in :class:`xaikit.report.record.Record` and one for every swept key.

        Raises:
            StoreError: the query is wrong; the message says how.
        """
        return query(self.index, sql, self._registry)

    @cached_property
    def measures(self) -> pa.Table:
        """What metrics say of each photograph, trial, target and control: :data:`xaikit.report.measures.MEASURED`."""
        return self.index.on_current_parts(lambda: measures(self.index, self._registry))

    def to_pandas(self) -> Any:
        """The records as a DataFrame (extra ``pandas``). Raises StoreError where pandas is not installed."""
        return to_pandas(self.index, self._registry)

    def overlay(self, image: str, trial: str, column: int = 0) -> Path | str:
        """The overlay of a photograph, a URL where the folder is one; ``column`` is the place on the target axis. Raises
        StoreError where there is no such photograph, trial or column, or no overlay was drawn."""
        return self._place(self._overlay_name(image, trial, column))

    def show(self, image: str, trial: str, column: int = 0) -> Image.Image:
        """The overlay of a photograph as a picture of Pillow, which a notebook shows. Raises as :meth:`overlay` does."""
        return open_overlay(self._store.folder, self._overlay_name(image, trial, column))

    def _repr_html_(self) -> str:
        """The first photographs by the first trials, in one piece, as a notebook shows them."""
        return embedded(self, self.images, self.names, self._registry)

    def maps(self, image: str, trial: str) -> dict[str, Tensor]:
        """The raw signed maps by layer: (*S), or (T, *S) for a plural target, as of one sample of :func:`xaikit.explain`."""
        chosen, row = self._first_row(image, trial)
        return {layer: chosen.shaped(raw) for layer, raw in self.raws(chosen, [row])[0].items()}

    def map(self, image: str, trial: str) -> Tensor:
        """The finished and fused map as the run drew it, in the shapes of :meth:`maps`.

        Raises:
            StoreError: no such photograph or trial; or the finish of the trial does not fuse.
        """
        chosen, row = self._first_row(image, trial)
        return chosen.shaped(self.finish(chosen, self.raws(chosen, [row])[0]))

    def raws(self, trial: StoredTrial, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Tensor]]:
        """The raw maps that rows of the store point to; of several in one file they cost little more than one's."""
        import torch

        return [{layer: torch.from_numpy(raw) for layer, raw in maps.items()} for maps in self.arrays(trial, rows)]

    def arrays(self, trial: StoredTrial, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Array]]:
        """The same as arrays, for which nobody has to wait until torch is imported."""
        keys = tuple(zip(trial.layers, trial.maps, strict=True))
        return [{layer: maps[key] for layer, key in keys} for maps in self._store.maps(rows, trial.maps)]

    def finish(self, trial: StoredTrial, maps: Mapping[str, Tensor]) -> Tensor:
        """Raw maps (T, *S) by layer, finished and fused as a trial says.

        Raises:
            StoreError: its finish does not fuse.
            ConfigError: a finisher cannot be had any more, is not trusted, or cannot fuse these maps.
        """
        return self.finish_all(trial, [maps])[0]

    def finish_all(self, trial: StoredTrial, several: Sequence[Mapping[str, Tensor]]) -> Tensor:
        """The same of photographs whose maps have one shape, (N, T, *S): together they cost little more than one."""
        import torch

        from xaikit.finish import finish_maps
        from xaikit.passes.process import as_before

        raws = {layer: torch.stack([maps[layer] for maps in several]) for layer in several[0]}
        strides = dict(zip(trial.layers, trial.strides, strict=True))
        with as_before(f"the finish of {trial.name}"):
            fused = finish_maps(self.finish_of(trial), raws, strides, trial.space)[1]
        if fused is None:
            raise StoreError(f"{trial.name} has no fused map (finish.fuse: none); read its layers with maps()")
        return fused

    def finish_of(self, trial: StoredTrial) -> Finish:
        """The stages of a trial, built once for all that have the same. Raises ConfigError as :meth:`finish` does."""
        from xaikit.finish import build_finish

        stages = repr(trial.finish)
        if stages not in self._finishes:
            config = FinishConfig(**read_finish(trial.finish, self._registry, self._base))
            self._finishes[stages] = build_finish(config, self._registry, self._base)
        return self._finishes[stages]

    @cached_property
    def rows(self) -> pa.Table:
        """The rows of the plan, as the store keeps them."""
        return self.index.rows()

    def _first_row(self, image: str, trial: str) -> tuple[StoredTrial, Mapping[str, Any]]:
        """The trial, and the first row of a photograph by it."""
        chosen = find_trial(self.index, trial)
        name = find_photograph(self.index, chosen.bench, image)
        rows = self.rows
        for column, value in {"evidence": chosen.evidence, "name": name, "bench": chosen.bench}.items():
            rows = rows.filter(pc.equal(rows[column], value))
        for row in rows.slice(0, 1).to_pylist():
            return chosen, row
        raise StoreError(
            f"{self.folder}: {chosen.name} has no map of {image!r}{why_failed(self.failures, chosen, name)}"
        )

    def _overlay_name(self, image: str, trial: str, column: int) -> str:
        chosen, row = self._first_row(image, trial)
        stem = self.index.photographs[chosen.bench][row["name"]].stem
        names = [overlay_name(stem, chosen.name, column, stored_as) for stored_as in FORMATS]
        name = next((name for name in names if self._store.folder.size(name) is not None), None)
        if name is None:
            raise StoreError(
                f"{self.folder}/{names[0]}: no such overlay; none is drawn with report.overlays: false, without a fused map,"
                " or for a column beyond the targets"
            )
        return name

    def _place(self, name: str) -> Path | str:
        place = self._store.folder.url(name)
        return place if isinstance(self.folder, str) else Path(place)
