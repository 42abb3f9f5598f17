"""What a run gives back: its maps, records and pictures, without a file name being typed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from xaikit.errors import StoreError, nearest
from xaikit.record import Record
from xaikit.report.pictures import SHEETS, overlay_path
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
        """What the run says of itself: config, versions, counts, timings. Empty where it was interrupted."""
        return self._store.manifest()

    @cached_property
    def records(self) -> tuple[Record, ...]:
        """One for every photograph, label and target that was explained, in the order of the photographs."""
        return tuple(record for record in self._committed if record.status == "ok")

    @cached_property
    def failures(self) -> tuple[Record, ...]:
        """One for every photograph, or label on one, that could not be."""
        return (*self._store.failures(), *(record for record in self._committed if record.status == "failed"))

    @property
    def images(self) -> tuple[str, ...]:
        """The names of the photographs that were explained."""
        return _distinct(record.name for record in self.records)

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the methods."""
        return _distinct(record.label for record in self.records)

    @property
    def counts(self) -> dict[str, Any]:
        """Photographs, forwards, gradient calls, re-runs."""
        return dict(self.manifest.get("counts", {}))

    @property
    def warnings(self) -> tuple[str, ...]:
        """Why maps are dead, and what methods had to leave out."""
        return _distinct(
            f"{record.name}, {record.label}: {text}" for record in self.records for text in record.warnings
        )

    @property
    def sheets(self) -> tuple[Path, ...]:
        """The contact sheets, in order."""
        return tuple(sorted(self.folder.glob(SHEETS), key=lambda path: (len(path.name), path.name)))

    def overlay(self, image: str, label: str, column: int = 0) -> Path:
        """The overlay of a photograph; ``column`` is the place on the target axis.

        Raises:
            StoreError: no such photograph, label or column; or no overlay was drawn.
        """
        path = overlay_path(self.folder, self._found(image, label).stem, label, column)
        if not path.is_file():
            raise StoreError(
                f"{path}: no such overlay; none is drawn with report.overlays: false, without a fused map,"
                " or for a column beyond the targets"
            )
        return path

    def maps(self, image: str, label: str) -> dict[str, Tensor]:
        """The raw signed maps by layer: (T, *S), T = 1 for a singular target."""
        record = self._found(image, label)
        stored = self._store.maps(record.stem, label)
        return {layer: stored[label, layer] for layer in record.layers}

    def map(self, image: str, label: str) -> Tensor:
        """The finished and fused map as the run drew it: (T, *S), T = 1 for a singular target.

        Raises:
            StoreError: no such photograph or label; the label's finish does not fuse; or the run was interrupted.
        """
        record = self._found(image, label)
        raws = {layer: raw.unsqueeze(0) for layer, raw in self.maps(image, label).items()}
        strides = dict(zip(record.layers, record.strides, strict=True))
        finished = self._finisher(self._stages(label), raws, strides, self._store.input_size(record.stem))
        if finished is None:
            raise StoreError(f"{label} has no fused map (finish.fuse: none); read its layers with maps()")
        return finished[0]

    @cached_property
    def _committed(self) -> list[Record]:
        order = {name: place for place, name in enumerate(self.manifest.get("photographs", ()))}
        return sorted(self._store.records(), key=lambda record: order.get(record.name, len(order)))

    def _stages(self, label: str) -> Mapping[str, Any]:
        if not self.manifest:
            raise StoreError(f"{self.folder}: the run was interrupted and has no manifest yet; run it again to finish")
        stages: Mapping[str, Any] = self.manifest["trials"][label]["finish"]
        return stages

    def _found(self, image: str, label: str) -> Record:
        """The first record of a photograph and label."""
        if label not in self.labels:
            raise StoreError(f"{self.folder}: no label {label!r}; {nearest(label, self.labels)}")
        stem = self._stem(image)
        for record in self.records:
            if (record.stem, record.label) == (stem, label):
                return record
        raise StoreError(f"{self.folder}: {label} has no map of {image!r}" + self._why(image))

    def _stem(self, image: str) -> str:
        for called in (_by_name, _by_stem, _by_file):
            found = {record.stem: record.name for record in self.records if called(record) == image}
            if len(found) == 1:
                return next(iter(found))
            if found:
                raise StoreError(
                    f"{self.folder}: {image!r} may be any of {', '.join(found.values())}; name one in full"
                )
        raise StoreError(f"{self.folder}: no photograph {image!r}" + (self._why(image) or f"; {self._nearest(image)}"))

    def _why(self, image: str) -> str:
        errors = [
            record.error for record in self.failures if image in (_by_name(record), _by_file(record), record.stem)
        ]
        return f"; it failed: {errors[0]}" if errors else ""

    def _nearest(self, image: str) -> str:
        return nearest(image, _distinct(called(record) for called in (_by_file, _by_name) for record in self.records))


def _distinct(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))


def _by_name(record: Record) -> str:
    return record.name


def _by_file(record: Record) -> str:
    return record.name.replace("\\", "/").rpartition("/")[2]


def _by_stem(record: Record) -> str:
    return record.stem
