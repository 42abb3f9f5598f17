"""A run folder: maps and records on disk, one file a photograph, and what a run says of itself.

``run.json``                   which configuration the folder belongs to
``maps/<stem>.safetensors``    the raw signed maps of one photograph, with its records; written last, it is the commit mark
``pictures/``, ``overlays/``   what people look at
``failed.jsonl``               the photographs that could not be explained
``manifest.json``              everything needed to know how it came about
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

from xaikit.errors import StoreError
from xaikit.record import Record
from xaikit.stems import stems as _stems

OWN = ("run.json", "manifest.json", "failed.jsonl", "maps", "pictures", "overlays")
SHEETS = "contact-sheet*.png"


class Store:
    """A run folder that is known to be one; see :meth:`claim` and :meth:`at`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def at(cls, folder: Path) -> Store:
        """The store of a finished or unfinished run.

        Raises:
            StoreError: there is no run in that folder.
        """
        if not (folder / "run.json").is_file():
            raise StoreError(f"{folder}: expected a run folder, got {_what(folder)}")
        return cls(folder)

    @classmethod
    def claim(cls, folder: Path, fingerprint: str, config: Mapping[str, Any], *, again: bool = False) -> Store:
        """The store for a configuration: a new folder, or the one where it was begun.

        Args:
            fingerprint: of the configuration; a folder with another is refused.
            config: the same as plain data, to say what differs.
            again: remove the other run and start over.

        Raises:
            StoreError: the folder belongs to another configuration, or holds something that is no run.
        """
        claim = folder / "run.json"
        if again and claim.is_file():
            _clear(folder)
        if claim.is_file():
            _check(folder, fingerprint, config)
        elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise StoreError(
                f"{folder}: expected a new folder or a run, got {_what(folder)}; choose another with report.to"
            )
        else:
            (folder / "maps").mkdir(parents=True, exist_ok=True)
            _write(claim, json.dumps({"fingerprint": fingerprint, "config": config}, indent=1, default=str).encode())
        for left in folder.rglob("*.tmp"):
            left.unlink()
        return cls(folder)

    def stems(self, names: Iterable[str]) -> dict[str, str]:
        """A unique and safe file stem for every photograph; those that the run knows keep theirs."""
        return _stems(names, {record.name: record.stem for record in self.records()})

    def commit(
        self, stem: str, maps: Mapping[tuple[str, str], Tensor], records: Sequence[Record], space: tuple[int, ...]
    ) -> None:
        """Write one photograph's raw maps (T, *S) by (label, layer), and its records; all of it or nothing."""
        tensors = {f"{label}\n{layer}": value.detach().cpu().contiguous() for (label, layer), value in maps.items()}
        metadata = {"records": json.dumps([record.to_json() for record in records]), "space": json.dumps(space)}
        _write(self._maps(stem), safetensors.torch.save(tensors, metadata))
        self._set_failures([failure for failure in self.failures() if failure.stem != stem])

    def fail(self, record: Record) -> None:
        """Note a photograph that could not be explained; the next run tries it again."""
        self._set_failures([*(other for other in self.failures() if other.stem != record.stem), record])

    def _set_failures(self, failures: Sequence[Record]) -> None:
        path = self.folder / "failed.jsonl"
        if failures:
            _write(path, "".join(failure.to_json() + "\n" for failure in failures).encode())
        else:
            path.unlink(missing_ok=True)

    def failures(self) -> tuple[Record, ...]:
        """The photographs that could not be explained."""
        path = self.folder / "failed.jsonl"
        if not path.is_file():
            return ()
        return tuple(map(Record.from_json, path.read_text(encoding="utf-8").splitlines()))

    def records(self) -> tuple[Record, ...]:
        """One record for every photograph, label and target. Raises StoreError for a damaged file."""
        return tuple(
            record for path in sorted((self.folder / "maps").glob("*.safetensors")) for record in _records(path)
        )

    def maps(self, stem: str) -> dict[tuple[str, str], Tensor]:
        """The raw maps (T, *S) of a photograph by (label, layer). Raises StoreError where they are missing or damaged."""
        with _opened(self._maps(stem)) as handle:
            return {tuple(key.split("\n")): handle.get_tensor(key) for key in handle.keys()}  # noqa: SIM118

    def space(self, stem: str) -> tuple[int, ...]:
        """The spatial shape of the input that a photograph was explained at."""
        return tuple(json.loads(_metadata(self._maps(stem))["space"]))

    def write_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Write what the run says of itself."""
        _write(self.folder / "manifest.json", json.dumps(manifest, indent=1, default=str).encode())

    def manifest(self) -> dict[str, Any]:
        """What the run says of itself; empty until a sitting has ended."""
        path = self.folder / "manifest.json"
        if not path.is_file():
            return {}
        try:
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise StoreError(f"{path} is damaged: {error}; delete it and run again") from error
        return found

    def _maps(self, stem: str) -> Path:
        return self.folder / "maps" / f"{stem}.safetensors"


def _records(path: Path) -> Iterator[Record]:
    try:
        yield from (Record.from_json(line) for line in json.loads(_metadata(path)["records"]))
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(path, error) from error


def _metadata(path: Path) -> dict[str, str]:
    with _opened(path) as handle:
        return dict(handle.metadata() or {})


def _opened(path: Path) -> Any:
    if not path.is_file():
        raise StoreError(f"there is no file {path}")
    try:
        return safetensors.safe_open(path, framework="pt")
    except safetensors.SafetensorError as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> StoreError:
    return StoreError(f"{path} is damaged: {error}; delete it, and the next run makes it again")


def _check(folder: Path, fingerprint: str, config: Mapping[str, Any]) -> None:
    try:
        claimed = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        same, other = claimed["fingerprint"] == fingerprint, claimed["config"]
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{folder}/run.json is damaged: {error}; delete the folder, or choose another") from error
    if not same:
        plain = json.loads(json.dumps(config, default=str))
        keys = ", ".join(key for key in {**other, **plain} if other.get(key) != plain.get(key))
        raise StoreError(
            f"{folder} belongs to another configuration; it differs in: {keys or 'nothing that shows'}. "
            "Choose another folder (report.to=runs/other), or start over with --force"
        )


def _clear(folder: Path) -> None:
    """Remove what a run writes and nothing else."""
    for path in [*(folder / name for name in OWN), *folder.glob(SHEETS)]:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _what(folder: Path) -> str:
    if not folder.exists():
        return "nothing at all"
    return "a folder with other files" if folder.is_dir() else "a file"


def _write(path: Path, data: bytes) -> None:
    """All of it or nothing: a temporary file beside it takes its place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("wb") as handle:
        handle.write(data)
        handle.flush()
        os.fsync(handle.fileno())
    temporary.replace(path)
