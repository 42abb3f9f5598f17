"""The run folder: the plan, maps, rows, failures and pictures on disk, and who may write there::

    plan.json                      what the folder was planned to hold; frozen until a config that differs runs in it
    trials.parquet                 the trials of the plan, one row for each trial of each bench
    photographs.parquet            the photographs of the plan in their order
    shards/<bench>/<shard>.safetensors   raw signed maps, (n, T, *S) by key
    shards/<bench>/<shard>.parquet       their rows, written last: once it is there, the shard is done
    failed.jsonl                   one failure a line; tried again on the next run
    measures/<bench>/<part>.parquet      what metrics say of the maps
    manifest.json                  what the run was
    sittings/<token>.json          what each sitting at it did, and how it ended
    leases/<token>.json            who writes to the folder now
    pictures/ overlays/ contact-sheet.jpg

Every file appears whole or not at all. ``docs/run-folder.md`` says the rest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from safetensors.numpy import save

from xaikit.errors import DamagedFile, StoreError
from xaikit.store.checksums import KEY, MARK, checksum, from_json, to_json
from xaikit.store.folder import Folder, folder_of
from xaikit.store.lease import LEASES, live_holders
from xaikit.store.maps import Array, read_maps
from xaikit.store.measures import FOLDER as MEASURED
from xaikit.store.owner import (
    FORMAT,
    PHOTOGRAPHS,
    PLAN,
    TRIALS,
    check_format,
    check_own,
    check_run,
    is_of_a_run,
    is_own,
    is_planned,
    stated_format,
)
from xaikit.store.owner import SHARDS as SHARDS
from xaikit.store.pages import is_own_page, run_pages
from xaikit.store.pictures import is_own_picture, picture_files
from xaikit.store.rows import ROWS, Failure, committed_now, with_column
from xaikit.store.sittings import SITTINGS, with_sittings
from xaikit.store.tables import (
    VanishedPart,
    is_own_file,
    present,
    read_footer,
    read_sealed,
    read_table,
    readable,
    writable,
    write_table,
)

MANIFEST, FAILED = "manifest.json", "failed.jsonl"
_FAILED = re.compile(r"failed(-\d+-of-\d+)?\.jsonl")
_UNPLANNED = {"format": FORMAT, "planned": False}  # who the folder belongs to, before it is known what it is to hold


@dataclass(frozen=True)
class Store:
    """One run folder. :meth:`claim` it to write, :meth:`open` it to read."""

    folder: Folder

    @classmethod
    def check_free(cls, where: str | Path) -> Store:
        """The store of a folder that is new, empty or that of a run; nothing is written.

        Raises:
            StoreError: the folder holds files that are no run, or cannot be written to.
        """
        folder = folder_of(where)
        folder.check_writable()
        first = folder.first(besides=LEASES)
        if first is not None and folder.size(PLAN) is None and not is_of_a_run(folder):
            raise StoreError(
                f"{folder}: expected an empty folder or that of a run, got one with other files ('{first}')"
                f" and no {PLAN}; name another folder in report.to"
            )
        return cls(folder)

    @classmethod
    def claim(cls, where: str | Path, *, again: bool = False) -> Store:
        """Take a folder to run in: a new one, or one that holds a run, of whatever config: what it holds is used again.

        Args:
            again: begin anew. Only what a run wrote is removed, no other file.

        Raises:
            StoreError: the folder holds files that are no run, is damaged, or cannot be written to.
        """
        store = cls.check_free(where)
        is_new = again or not is_planned(store.folder)
        with writable(store.folder):
            store.folder.sweep()
            if again:
                store.remove_run()
            if is_new:
                store._write_json(PLAN, _UNPLANNED)
        return store

    @classmethod
    def open(cls, where: str | Path) -> Store:
        """The store of a folder that holds a run, finished or not. Raises StoreError where it holds none."""
        store = cls(folder_of(where))
        check_run(store.folder, where)
        check_format(store.folder)
        if not store.plan():
            if live_holders(store.folder):
                raise StoreError(f"{where}: the run in this folder is being planned; open it in a moment")
            raise StoreError(f"{where}: the run in this folder ended before it was planned; run its config again")
        return store

    @classmethod
    def look(cls, where: str | Path) -> Store | None:
        """The store of a folder, or None where it holds no run of this format."""
        store = cls(folder_of(where))
        try:
            current = store.folder.size(PLAN) is not None and stated_format(store.folder) == FORMAT and store.plan()
            return store if current else None
        except DamagedFile:
            return store if is_of_a_run(store.folder) else None

    def write_plan(self, plan: Mapping[str, Any], trials: pa.Table, photographs: pa.Table) -> None:
        """Freeze what the folder is to hold; the plan itself comes last. Raises StoreError where it cannot be written."""
        with writable(self.folder):
            write_table(self.folder, TRIALS, trials)
            write_table(self.folder, PHOTOGRAPHS, photographs)
            self._write_json(PLAN, {"format": FORMAT, **plan})

    def plan(self) -> dict[str, Any]:
        """What the folder was planned to hold; empty where nothing was planned yet."""
        plan = {} if self.folder.size(PLAN) is None else self._read_json(PLAN)
        return {} if plan == _UNPLANNED else plan

    def trials(self) -> pa.Table:
        """The trials of the plan."""
        return read_table(self.folder, TRIALS)

    def photographs(self) -> pa.Table:
        """The photographs of the plan: bench, position, name, stem, image (null where its digest was not known), truth."""
        return read_table(self.folder, PHOTOGRAPHS)

    def commit(self, bench: str, shard: str, maps: Mapping[str, Array], rows: pa.Table) -> str:
        """Keep the maps and rows of a shard; it is done when this returns.

        Args:
            shard: a name that no other work has, as what is written takes the place of a shard of that name.

        Returns:
            The name of the part. Its rows say which file their maps are in, and when they were committed.

        Raises:
            OSError: the disk does not take it.
        """
        name = f"{SHARDS}/{bench}/{shard}"
        file, data = f"{name}.safetensors", save(dict(maps), metadata={MARK: "maps"})
        with self.folder.write(file) as opened:
            opened.write(data)
        rows = committed_now(with_column(rows, "file", [file] * rows.num_rows))
        self.write_part(f"{name}.parquet", rows, {"files": {file: {"bytes": len(data), KEY: checksum(data)}}})
        return f"{name}.parquet"

    def write_part(self, name: str, rows: pa.Table, about: Mapping[str, Any]) -> None:
        """Write rows as one part; ``about`` is kept with them, and of which evidence they are."""
        about = {**about, "evidence": sorted(rows["evidence"].unique().to_pylist())}
        write_table(self.folder, name, rows.cast(ROWS).replace_schema_metadata({MARK: json.dumps(about)}))

    def parts(self, bench: str = "") -> list[str]:
        """The names of the committed parts. Two may say the same of a photograph, see :mod:`xaikit.store.doubles`."""
        return self.folder.names(f"{SHARDS}/{bench}" if bench else SHARDS, ".parquet")

    def benches(self) -> list[str]:
        """The keys of the benches that have parts."""
        return list(dict.fromkeys(part.split("/")[1] for part in self.parts() if part.count("/") > 1))

    def about(self, part: str) -> dict[str, Any]:
        """What is kept with the rows of a part. Raises StoreError where it cannot be read."""
        about: dict[str, Any] = json.loads(read_footer(self.folder, part).metadata[MARK.encode()])
        return about

    def files(self, part: str) -> dict[str, dict[str, Any]]:
        """The files of maps that a part answers for: ``bytes`` and ``sha256`` of each."""
        files: dict[str, dict[str, Any]] = self.about(part).get("files", {})
        return files

    def evidence(self, part: str) -> frozenset[str]:
        """Of which evidence a part has rows. Raises StoreError where it cannot be read."""
        return frozenset(self.about(part)["evidence"])

    def rows(self, parts: Iterable[str], columns: Sequence[str] | None = None) -> pa.Table:
        """The rows of some parts, one part after the other; of some columns where these are given.

        Raises:
            StoreError: a part is damaged.
        """
        tables = [self._read_part(name, columns) for name in parts]
        return pa.concat_tables(tables) if tables else ROWS.empty_table()

    def _read_part(self, name: str, columns: Sequence[str] | None) -> pa.Table:
        with present(self.folder, name):
            return read_table(self.folder, name, columns)

    def check_part(self, part: str) -> None:
        """That a part is what was written. Raises DamagedFile, or VanishedPart, where it is not."""
        with present(self.folder, part):
            read_sealed(self.folder, part)

    def check_present(self, parts: Iterable[str]) -> None:
        """That none of these parts has been merged meanwhile. Raises VanishedPart where one has."""
        for part in parts:
            if self.folder.size(part) is None:
                raise VanishedPart(self.folder, part)

    def check(self, bench: str) -> None:
        """That the maps of every part of a bench are there, whole. Raises StoreError for the first that are not."""
        for part in self.parts(bench):
            for file, stated in self.files(part).items():
                self.check_size(file, stated["bytes"])

    def check_size(self, file: str, expected: int) -> None:
        """That a file is there, whole. Raises DamagedFile where it is not."""
        size = self.folder.size(file)
        if size != expected:
            got = "no such file" if size is None else f"expected {expected} bytes, got {size}"
            raise DamagedFile(self.folder, file, got)

    def maps(self, rows: Iterable[Mapping[str, Any]], keys: Iterable[str]) -> list[dict[str, Array]]:
        """The raw maps that each row points to, float32 (T, *S) by key: all keys of its evidence.

        Raises:
            DamagedFile: they are lost, or not those that were written with the row.
        """
        return read_maps(self.folder, rows, tuple(keys))

    def failures(self) -> tuple[Failure, ...]:
        """The failures of the folder, those of all who write to it, in the order of failing."""
        return tuple(failure for name in self.failure_files() for failure in self.read_failures(name))

    def read_failures(self, name: str) -> list[Failure]:
        """The failures of one who writes. Raises DamagedFile where they are not what was written."""
        with readable(self.folder, name):
            return [Failure.from_json(line) for line in self.folder.read(name).decode("utf-8").splitlines()]

    def failure_files(self) -> list[str]:
        """The names of the files of failures."""
        return [name for name in self.folder.names("", ".jsonl") if _FAILED.fullmatch(name)]

    def write_failures(self, failures: Sequence[Failure], name: str = FAILED) -> None:
        """Keep the failures of one who writes to this folder, in the place of those kept before."""
        lines = "".join(failure.to_json() + "\n" for failure in failures)
        if lines or self.folder.size(name) is not None:
            with self.folder.write(name) as file:
                file.write(lines.encode())

    def forget_other_failures(self) -> None:
        """Remove the failures of those who did a part of the work: whoever does the whole has taken them over."""
        for name in {*self.failure_files()} - {FAILED}:
            self.folder.remove(name)

    def write_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Write what the run was; plain values only."""
        self._write_json(MANIFEST, manifest)

    def manifest(self) -> dict[str, Any]:
        """What the run was, with all that its sittings have done; empty before it has been written."""
        written = self._read_json(MANIFEST) if self.folder.size(MANIFEST) is not None else {}
        return with_sittings(written, self.folder, len({failure.name for failure in self.failures()}))

    def remove_run(self) -> None:
        """Remove what a run wrote, the plan last, and no other file. Raises StoreError where no run wrote the plan."""
        check_own(self.folder)
        shards = [*self.folder.names(SHARDS, ".parquet"), *self.folder.names(SHARDS, ".safetensors")]
        shards += self.folder.names(MEASURED, ".parquet")
        others = [*self.folder.names(SITTINGS, ".json"), *self.failure_files(), MANIFEST, TRIALS, PHOTOGRAPHS, PLAN]
        drawn = ((picture_files(self.folder), is_own_picture), (run_pages(self.folder), is_own_page))
        for names, is_marked in ((shards, is_own_file), *drawn, (others, is_own)):
            for name in [name for name in names if is_marked(self.folder, name)]:
                self.folder.remove(name)

    def _write_json(self, name: str, value: Mapping[str, Any]) -> None:
        with self.folder.write(name) as file:
            file.write((to_json(value, indent=2) + "\n").encode())

    def _read_json(self, name: str) -> dict[str, Any]:
        with readable(self.folder, name):
            return from_json(self.folder.read(name))
