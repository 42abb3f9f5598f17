"""The run folder: raw maps, records, failures and pictures on disk, and who may write there.

::

    run.json                  the fingerprint and the config that own the folder
    maps/<stem>.safetensors   the raw signed maps of one picture and its records: once it is there, the picture is done
    failed.jsonl              one record a failure; tried again on the next run
    manifest.json             what the run was
    pictures/ overlays/ contact-sheet.png

Every file appears whole or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from xaikit.atomic import sweep, whole
from xaikit.differences import differences
from xaikit.errors import StoreError, nearest
from xaikit.record import Record
from xaikit.stems import stems

_RUN, _MANIFEST, _FAILED = "run.json", "manifest.json", "failed.jsonl"
_MAPS, _MARK = "maps", "xaikit"
_UNREADABLE = (SafetensorError, OSError, ValueError, TypeError, KeyError)


@dataclass(frozen=True)
class Store:
    """One run folder. :meth:`claim` it to write, :meth:`open` it to read."""

    folder: Path

    @classmethod
    def claim(cls, folder: str | Path, fingerprint: str, config: Mapping[str, Any], *, again: bool = False) -> Store:
        """Take a folder for a run: make a new one, or go on in one of the same fingerprint.

        Args:
            folder: where the run writes.
            fingerprint: equal for runs whose maps may stand together.
            config: the plain config, kept to say what differs from another one.
            again: begin anew in the folder of any run. Only what a run wrote is removed, no other file.

        Raises:
            StoreError: the folder holds a run of another fingerprint, or files that are no run.
        """
        store = cls(Path(folder))
        sweep(store.folder)
        if not (store.folder / _RUN).exists():
            store._found(fingerprint, config)
        elif again or not store.done():  # without a map nothing is lost
            store._remove_run()
            store._write_json(_RUN, {"fingerprint": fingerprint, "config": config})
        else:
            store._check_same(fingerprint, config)
        return store

    @classmethod
    def open(cls, folder: str | Path) -> Store:
        """The store of a folder that holds a run, finished or not. Raises StoreError where it holds none."""
        store = cls(Path(folder))
        if not (store.folder / _RUN).is_file():
            raise StoreError(f"{folder}: expected the folder of a run, got one without {_RUN}")
        return store

    def stems(self, names: Iterable[str]) -> dict[str, str]:
        """A unique, safe file stem for each picture's name; pictures that are done keep theirs."""
        return stems(names, {record.name: record.stem for record in self.records()})

    def done(self) -> set[str]:
        """The stems of the pictures whose maps are there."""
        return {path.stem for path in self._map_files()}

    def digests(self) -> dict[str, str]:
        """The SHA-256 by stem of the pictures that are done: tells whether a file has changed since."""
        return {record.stem: record.image for record in self.records()}

    def commit(
        self,
        stem: str,
        maps: Mapping[tuple[str, str], Tensor],
        records: Sequence[Record],
        input_size: tuple[int, ...],
    ) -> None:
        """Write the raw maps (T, *S) by (label, layer) and the records of one picture: it is done then.

        Maps are kept as float32 on the CPU; earlier failures of the picture are forgotten.
        """
        tensors = {_prefix(label) + layer: _plain(map_) for (label, layer), map_ in maps.items()}
        about = {"input_size": list(input_size), "records": [record.to_json() for record in records]}
        data = save(tensors, metadata={_MARK: json.dumps(about)})
        self._write(f"{_MAPS}/{stem}.safetensors", data)
        if any(record.stem == stem for record in self.failures()):
            self._write_failures([record for record in self.failures() if record.stem != stem])

    def fail(self, record: Record) -> None:
        """Keep a failure; an earlier one of the same row gives way."""
        others = [other for other in self.failures() if _row(other) != _row(record)]
        self._write_failures([*others, record])

    def records(self) -> tuple[Record, ...]:
        """The records of all pictures that are done, by stem, each picture's in the order they were committed."""
        return tuple(record for path in self._map_files() for record in self._about(path)[0])

    def failures(self) -> tuple[Record, ...]:
        """The records of the pictures that failed, in the order of failing."""
        path = self.folder / _FAILED
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        try:
            return tuple(map(Record.from_json, lines))
        except _UNREADABLE as error:
            raise _damaged(path, error, "delete it, the pictures are tried again") from error

    def maps(self, stem: str, label: str | None = None) -> dict[tuple[str, str], Tensor]:
        """The raw maps (T, *S) of one picture by (label, layer), float32; of one label where it is given.

        Raises:
            StoreError: the picture is not done, or its file is damaged.
        """
        path = self._map_file(stem)
        try:
            with safe_open(path, framework="pt") as file:
                keys = [key for key in file.keys() if label is None or key.startswith(_prefix(label))]  # noqa: SIM118
                return {_key(key): file.get_tensor(key) for key in keys}
        except _UNREADABLE as error:
            raise _damaged(path, error, "delete it to have the picture computed again") from error

    def input_size(self, stem: str) -> tuple[int, ...]:
        """The spatial shape of what the model received of that picture."""
        return self._about(self._map_file(stem))[1]

    def write_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Write what the run was; plain values only."""
        self._write_json(_MANIFEST, manifest)

    def manifest(self) -> dict[str, Any]:
        """What the run was; empty before it has been written."""
        return self._read_json(_MANIFEST) if (self.folder / _MANIFEST).exists() else {}

    def save_picture(self, name: str, picture: Image.Image) -> Path:
        """Write a PNG under a name such as "overlays/cat.gradcam.png".

        It bears that name inside, which marks it as the run's own when the run is begun anew.
        """
        mark = PngInfo()
        mark.add_itxt(_MARK, name)
        with whole(self.folder / name) as file:
            picture.save(file, format="PNG", pnginfo=mark)
        return self.folder / name

    def remove_picture(self, name: str) -> None:
        """Remove a PNG of the run; a file of that name that the run did not write stays."""
        if _is_own_picture(self.folder / name, name):
            (self.folder / name).unlink()

    def _found(self, fingerprint: str, config: Mapping[str, Any]) -> None:
        if self.folder.exists() and not self.folder.is_dir():
            raise StoreError(f"{self.folder}: expected a folder for the run, got a file")
        if self.folder.exists() and any(self.folder.iterdir()):
            first = min(path.name for path in self.folder.iterdir())
            raise StoreError(
                f"{self.folder}: expected an empty folder or that of a run, got one with other files ('{first}')"
                f" and no {_RUN}; name another folder in report.to"
            )
        self._write_json(_RUN, {"fingerprint": fingerprint, "config": config})

    def _check_same(self, fingerprint: str, config: Mapping[str, Any]) -> None:
        owner = self._read_json(_RUN)
        if owner.get("fingerprint") == fingerprint:
            return
        differing = differences(owner.get("config", {}), config)
        said = (
            "\n".join(f"  {line}" for line in differing) or "  the configs agree; weights, plugins or versions do not"
        )
        raise StoreError(
            f"{self.folder}: holds another run; it differs in\n{said}\n"
            "name another folder in report.to, or use --force to begin this one anew"
        )

    def _remove_run(self) -> None:
        """Remove what a run wrote; the owner in run.json stays until the next one is written over it."""
        for path in [*self._own_maps(), *self._own_pictures(), self.folder / _FAILED, self.folder / _MANIFEST]:
            path.unlink(missing_ok=True)

    def _own_maps(self) -> Iterator[Path]:
        """The map files of a run; a damaged one is taken for its own, a sound one of somebody else is not."""
        for path in self._map_files():
            try:
                with safe_open(path, framework="pt") as file:
                    own = _MARK in (file.metadata() or {})
            except _UNREADABLE:
                own = True
            if own:
                yield path

    def _own_pictures(self) -> Iterator[Path]:
        for path in sorted([*self.folder.glob("*.png"), *self.folder.glob("*/*.png")]):
            if _is_own_picture(path, path.relative_to(self.folder).as_posix()):
                yield path

    def _map_files(self) -> list[Path]:
        return sorted((self.folder / _MAPS).glob("*.safetensors"))

    def _map_file(self, stem: str) -> Path:
        path = self.folder / _MAPS / f"{stem}.safetensors"
        if not path.is_file():
            raise StoreError(f"{self.folder}: no maps of '{stem}'; {nearest(stem, self.done())}")
        return path

    def _about(self, path: Path) -> tuple[tuple[Record, ...], tuple[int, ...]]:
        """The records and the input size that a map file bears."""
        try:
            with safe_open(path, framework="pt") as file:
                about = json.loads(file.metadata()[_MARK])
            return tuple(map(Record.from_json, about["records"])), tuple(about["input_size"])
        except _UNREADABLE as error:
            raise _damaged(path, error, "delete it to have the picture computed again") from error

    def _write_failures(self, records: Sequence[Record]) -> None:
        lines = "".join(record.to_json() + "\n" for record in records)
        self._write(_FAILED, lines.encode())

    def _write_json(self, name: str, value: Mapping[str, Any]) -> None:
        self._write(name, (json.dumps(value, indent=2) + "\n").encode())

    def _write(self, name: str, data: bytes) -> None:
        with whole(self.folder / name) as file:
            file.write(data)

    def _read_json(self, name: str) -> dict[str, Any]:
        path = self.folder / name
        try:
            read = json.loads(path.read_text(encoding="utf-8"))
        except _UNREADABLE as error:
            raise _damaged(path, error, "name another folder in report.to, or remove this one") from error
        if not isinstance(read, dict):
            raise StoreError(f"{path}: damaged: expected a mapping, got {type(read).__name__}")
        return read


def _plain(saliency: Tensor) -> Tensor:
    """A copy of its own: the format refuses tensors that share memory."""
    return saliency.detach().to("cpu", torch.float32, copy=True).contiguous()


def _prefix(label: str) -> str:
    """What the keys of a label's maps begin with."""
    return quote(label, safe="") + "/"


def _key(key: str) -> tuple[str, str]:
    """Label and layer of a stored map; labels are quoted, so the first slash parts them."""
    label, _, layer = key.partition("/")
    return unquote(label), layer


def _row(record: Record) -> tuple[str, str, int]:
    return record.stem, record.label, record.column


def _is_own_picture(path: Path, name: str) -> bool:
    """Whether a PNG bears its own name inside, as :meth:`Store.save_picture` writes it."""
    try:
        with Image.open(path) as image:
            return bool(image.info.get(_MARK) == name)
    except OSError:
        return False


def _damaged(path: Path, error: Exception, remedy: str) -> StoreError:
    return StoreError(f"{path}: damaged ({type(error).__name__}: {error}); {remedy}")
