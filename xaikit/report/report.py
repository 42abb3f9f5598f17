"""What a run gives back: its maps, records and pictures, without a file name being typed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from xaikit.errors import StoreError, nearest
from xaikit.record import Record
from xaikit.report.pictures import overlay_path
from xaikit.report.sheet import SHEETS
from xaikit.store import Store

Finisher = Callable[[Mapping[str, Any], Mapping[str, Tensor], Mapping[str, float], tuple[int, ...]], Tensor | None]


class Report:
    """A run folder, read. A photograph is named by its name, its file name, or its stem.

    Args:
        folder: of a run.
        finisher: from the stages of a finish, raw maps (N, T, *S), strides and the input's shape to the fused map.

    Raises:
        StoreError: there is no run in the folder.
    """

    def __init__(self, folder: Path, finisher: Finisher) -> None:
        self.folder = folder
        self._store = Store.open(folder)
        self._finisher = finisher

    def __repr__(self) -> str:
        methods = ", ".join(self.labels)
        return f"Report({str(self.folder)!r}: {len(self.images)} photographs by {methods}, {len(self.failures)} failed)"

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """What the run says of itself: config, versions, counts, timings."""
        return self._store.manifest()

    @cached_property
    def records(self) -> tuple[Record, ...]:
        """One for every photograph, label and target that was explained."""
        return self._store.records()

    @cached_property
    def failures(self) -> tuple[Record, ...]:
        """One for every photograph that could not be."""
        return self._store.failures()

    @property
    def images(self) -> tuple[str, ...]:
        """The names of the photographs that were explained."""
        return tuple(dict.fromkeys(record.name for record in self.records))

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the methods."""
        return tuple(dict.fromkeys(record.label for record in self.records))

    @property
    def counts(self) -> dict[str, Any]:
        """Photographs, forwards, gradient calls, re-runs."""
        return dict(self.manifest.get("counts", {}))

    @property
    def warnings(self) -> tuple[str, ...]:
        """Why maps are dead, and what methods had to leave out."""
        return tuple(f"{record.name}, {record.label}: {text}" for record in self.records for text in record.warnings)

    @property
    def sheets(self) -> tuple[Path, ...]:
        """The contact sheets, in order."""
        return tuple(sorted(self.folder.glob(SHEETS), key=lambda path: (len(path.name), path.name)))

    def overlay(self, image: str, label: str, column: int = 0) -> Path:
        """The overlay of a photograph; ``column`` is the place on the target axis."""
        return overlay_path(self.folder, self._found(image, label).stem, label, column)

    def maps(self, image: str, label: str) -> dict[str, Tensor]:
        """The raw signed maps by layer: (T, *S), T = 1 for a singular target."""
        stem = self._found(image, label).stem
        return {layer: saliency for (owner, layer), saliency in self._store.maps(stem).items() if owner == label}

    def map(self, image: str, label: str) -> Tensor:
        """The finished and fused map as the run drew it: (T, *S), T = 1 for a singular target.

        Raises:
            StoreError: no such photograph or label; or the label's finish does not fuse.
        """
        record = self._found(image, label)
        raws = {layer: raw.unsqueeze(0) for layer, raw in self.maps(image, label).items()}
        raws = {layer: raws[layer] for layer in record.layers}
        stages = self.manifest["trials"][label]["finish"]
        strides = dict(zip(record.layers, record.strides, strict=True))
        finished = self._finisher(stages, raws, strides, self._store.input_size(record.stem))
        if finished is None:
            raise StoreError(f"{label} has no fused map (finish.fuse: none); read its layers with maps()")
        return finished[0]

    def _found(self, image: str, label: str) -> Record:
        if label not in self.labels:
            raise StoreError(f"no label {label!r} in {self.folder}; {nearest(label, self.labels)}")
        named = [record for record in self.records if record.label == label]
        for same in (_by_name, _by_file, _by_stem):
            found = {record.stem: record for record in named if same(record) == image}
            if len(found) == 1:
                return next(iter(found.values()))
        raise StoreError(f"no photograph {image!r} in {self.folder}, or more than one; {nearest(image, self.images)}")


def _by_name(record: Record) -> str:
    return record.name


def _by_file(record: Record) -> str:
    return Path(record.name).name


def _by_stem(record: Record) -> str:
    return record.stem
