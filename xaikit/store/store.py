"""The run folder: the plan, maps, rows, failures and pictures on disk, and who may write there.

::

    plan.json                      what the folder was planned to hold; frozen until a config that differs runs in it
    trials.parquet                 the trials of the plan, one row for each trial of each bench
    photographs.parquet            the photographs of the plan in their order
    shards/<bench>/<shard>.safetensors   raw signed maps, (n, T, *S) by key, and the photograph of each of the n
    shards/<bench>/<shard>.parquet       their rows, written last: once it is there, the shard is done
    failed.jsonl                   one failure a line; tried again on the next run
    manifest.json                  what the run was
    pictures/ overlays/ contact-sheet.png

Every file appears whole or not at all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from safetensors import safe_open
from safetensors.torch import load, save
from torch import Tensor

from xaikit.errors import StoreError
from xaikit.store.folder import Folder, Remote, folder_of
from xaikit.store.maps import decode, images_as_text, images_from_text, names_of
from xaikit.store.pictures import MARK, is_own
from xaikit.store.rows import ROWS, Failure, committed_now, with_column
from xaikit.store.tables import (
    COMPUTED,
    is_own_file,
    read_footer,
    read_table,
    readable,
    writable,
)

FORMAT = 4
PLAN, TRIALS, PHOTOGRAPHS = "plan.json", "trials.parquet", "photographs.parquet"
MANIFEST, FAILED = "manifest.json", "failed.jsonl"
SHARDS = "shards"
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
        first = folder.first()
        if first is not None and folder.size(PLAN) is None:
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
        is_new = again or store.folder.size(PLAN) is None
        if not is_new:
            store._check_format()
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
        if store.folder.size(PLAN) is None:
            raise StoreError(f"{where}: expected the folder of a run, got one without {PLAN}")
        store._check_format()
        if not store.plan():
            raise StoreError(f"{where}: the run in this folder ended before it was planned; run its config again")
        return store

    @classmethod
    def look(cls, where: str | Path) -> Store | None:
        """The store of a folder, or None where it holds no run of this format."""
        store = cls(folder_of(where))
        return store if store.plan().get("format") == FORMAT else None

    def write_plan(self, plan: Mapping[str, Any], trials: pa.Table, photographs: pa.Table) -> None:
        """Freeze what the folder is to hold; the plan itself comes last. Raises StoreError where it cannot be written."""
        with writable(self.folder):
            self.write_table(TRIALS, trials)
            self.write_table(PHOTOGRAPHS, photographs)
            self._write_json(PLAN, {"format": FORMAT, **plan})

    def plan(self) -> dict[str, Any]:
        """What the folder was planned to hold; empty where nothing was planned yet."""
        plan = {} if self.folder.size(PLAN) is None else self._read_json(PLAN)
        return {} if plan == _UNPLANNED else plan

    def trials(self) -> pa.Table:
        """The trials of the plan."""
        return self.read_table(TRIALS)

    def photographs(self) -> pa.Table:
        """The photographs of the plan: bench, position, name, stem, image (null where its digest was not known), truth."""
        return self.read_table(PHOTOGRAPHS)

    def commit(self, bench: str, shard: str, maps: Mapping[str, Tensor], rows: pa.Table) -> str:
        """Keep the maps and rows of a shard; it is done when this returns.

        Args:
            shard: a name that no other work has, as what is written takes the place of a shard of that name.

        Returns:
            The name of the part. The rows say now which file their maps are in, and when they were committed.

        Raises:
            OSError: the disk does not take it.
        """
        name = f"{SHARDS}/{bench}/{shard}"
        file = f"{name}.safetensors"
        data = save(dict(maps), metadata={MARK: images_as_text(rows)})
        with self.folder.write(file) as opened:
            opened.write(data)
        rows = committed_now(with_column(rows, "file", [file] * rows.num_rows))
        self.write_part(f"{name}.parquet", rows, {"bytes": len(data), "file": file})
        return f"{name}.parquet"

    def write_part(self, name: str, rows: pa.Table, about: Mapping[str, Any]) -> None:
        """Write rows as one part; ``about`` is kept with them, and of which evidence they are."""
        about = {**about, "evidence": sorted(rows["evidence"].unique().to_pylist())}
        self.write_table(name, rows.cast(ROWS).replace_schema_metadata({MARK: json.dumps(about)}))

    def parts(self, bench: str = "") -> list[str]:
        """The names of the committed parts. Two may say the same of a photograph, see :mod:`xaikit.store.doubles`."""
        return self.folder.names(f"{SHARDS}/{bench}" if bench else SHARDS, ".parquet")

    def benches(self) -> list[str]:
        """The keys of the benches that have parts."""
        return list(dict.fromkeys(part.split("/")[1] for part in self.parts() if part.count("/") > 1))

    def about(self, part: str) -> dict[str, Any]:
        """What is kept with the rows of a part. Raises StoreError where it cannot be read."""
        footer = read_footer(self.folder, part)
        with readable(f"{self.folder}/{part}", COMPUTED):
            about: dict[str, Any] = json.loads((footer.metadata or {})[MARK.encode()])
        return about

    def evidence(self, part: str) -> frozenset[str]:
        """Of which evidence a part has rows. Raises StoreError where it cannot be read."""
        about = self.about(part)
        with readable(f"{self.folder}/{part}", COMPUTED):
            return frozenset(about["evidence"])

    def files(self, part: str) -> dict[str, int]:
        """The files of maps that a part answers for, with their sizes in bytes."""
        about = self.about(part)
        of_shard = {about["file"]: about["bytes"]} if "file" in about else {}
        return {**of_shard, **about.get("files", {})}

    def rows(self, parts: Iterable[str], columns: Sequence[str] | None = None) -> pa.Table:
        """The rows of some parts, one part after the other; of some columns where these are given.

        Raises:
            StoreError: a part is damaged.
        """
        tables = [read_table(self.folder, name, COMPUTED, columns) for name in parts]
        return pa.concat_tables(tables) if tables else ROWS.empty_table()

    def check(self, bench: str) -> None:
        """That the maps of every part of a bench are there, whole. Raises StoreError for the first that are not."""
        for part in self.parts(bench):
            for file, expected in self.files(part).items():
                size = self.folder.size(file)
                if size != expected:
                    got = "no file" if size is None else f"{size} bytes"
                    raise StoreError(
                        f"{self.folder}/{file}: damaged: expected {expected} bytes, got {got}; "
                        f"delete {part} to have its photographs computed again"
                    )

    def maps(
        self, file: str, keys: Iterable[str], row: int | None = None, image: str | None = None
    ) -> dict[str, Tensor]:
        """Raw maps of a file by key, float32: (n, T, *S), or (T, *S) of one row.

        Args:
            image: the digest of the photograph that the row is to be of.

        Raises:
            StoreError: the file is missing or damaged, or its row is of another photograph.
        """
        keys = tuple(keys)
        remedy = "delete it, and the part of shards/ that the next run names, to have its photographs computed again"
        with readable(f"{self.folder}/{file}", remedy):
            tensors, images = self._tensors(file, keys, slice(None) if row is None else slice(row, row + 1))
            if row is not None and image not in (None, images[row]):
                raise ValueError(f"row {row}: expected the maps of the photograph {image}, got those of {images[row]}")
            maps = {key: decode(key, tensors) for key in keys}
            return maps if row is None else {key: values[0] for key, values in maps.items()}

    def _tensors(self, file: str, keys: Sequence[str], rows: slice) -> tuple[dict[str, Tensor], Sequence[str | None]]:
        """Some of the tensors of a file, and the photograph of each of its rows."""
        names = [name for key in keys for name in names_of(key)]
        if isinstance(self.folder, Remote):
            fetched, images = _fetched(self.folder, file, self.folder.size(file))
            return {name: fetched[name][rows].clone() for name in names if name in fetched}, images
        with safe_open(self.folder.url(file), framework="pt") as opened:
            stored = set(opened.keys())
            tensors = {name: opened.get_slice(name)[rows] for name in names if name in stored}
            return tensors, images_from_text(opened.metadata()[MARK])

    def failures(self) -> tuple[Failure, ...]:
        """The failures of the folder, those of all who write to it, in the order of failing."""
        failures: list[Failure] = []
        for name in self._failure_files():
            with readable(f"{self.folder}/{name}", "delete it, the photographs are tried again"):
                failures += map(Failure.from_json, self.folder.read(name).decode("utf-8").splitlines())
        return tuple(failures)

    def _failure_files(self) -> list[str]:
        return [name for name in self.folder.names("", ".jsonl") if _FAILED.fullmatch(name)]

    def write_failures(self, failures: Sequence[Failure], name: str = FAILED) -> None:
        """Keep the failures of one who writes to this folder, in the place of those kept before."""
        lines = "".join(failure.to_json() + "\n" for failure in failures)
        if lines or self.folder.size(name) is not None:
            with self.folder.write(name) as file:
                file.write(lines.encode())

    def forget_other_failures(self) -> None:
        """Remove the failures of those who did a part of the work: whoever does the whole has taken them over."""
        for name in self._failure_files():
            if name != FAILED:
                self.folder.remove(name)

    def write_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Write what the run was; plain values only."""
        self._write_json(MANIFEST, manifest)

    def manifest(self) -> dict[str, Any]:
        """What the run was; empty before it has been written."""
        return self._read_json(MANIFEST) if self.folder.size(MANIFEST) is not None else {}

    def remove_run(self) -> None:
        """Remove what a run wrote, the plan last, and no other file."""
        shards = [*self.folder.names(SHARDS, ".parquet"), *self.folder.names(SHARDS, ".safetensors")]
        computed = [name for name in shards if is_own_file(self.folder, name)]
        pictures = [name for name in self.folder.names("", ".png") if is_own(self.folder, name)]
        for name in [*computed, *pictures, *self._failure_files(), TRIALS, PHOTOGRAPHS, MANIFEST, PLAN]:
            self.folder.remove(name)

    def write_table(self, name: str, table: pa.Table) -> None:
        """Write a table as Parquet."""
        with self.folder.write(name) as file:
            pq.write_table(table, file, compression="zstd", store_schema=True)

    def read_table(self, name: str) -> pa.Table:
        """Read a table. Raises StoreError where it is missing or damaged."""
        return read_table(self.folder, name, "run the config again to have it written anew")

    def _check_format(self) -> None:
        stated = self._read_json(PLAN).get("format")
        if stated != FORMAT:
            raise StoreError(
                f"{self.folder}: expected a run of format {FORMAT}, got {stated!r}: it was written by another version of "
                "xaikit; name another folder in report.to, or use --force to begin this one anew"
            )

    def _write_json(self, name: str, value: Mapping[str, Any]) -> None:
        with self.folder.write(name) as file:
            file.write((json.dumps(value, indent=2) + "\n").encode())

    def _read_json(self, name: str) -> dict[str, Any]:
        with readable(f"{self.folder}/{name}", "name another folder in report.to, or remove this one"):
            value = json.loads(self.folder.read(name).decode("utf-8"))
        if not isinstance(value, dict):
            raise StoreError(f"{self.folder}/{name}: damaged: expected a mapping, got {type(value).__name__}")
        return value


@lru_cache(maxsize=1)
def _fetched(folder: Remote, file: str, size: int | None) -> tuple[dict[str, Tensor], Sequence[str | None]]:
    """The last file that came from afar: who reads one of its maps reads the next."""
    data = folder.read(file)
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return load(data), images_from_text(header["__metadata__"][MARK])
