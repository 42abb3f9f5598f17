"""The overlays of a run folder, drawn from what it holds."""

from __future__ import annotations

import traceback
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from PIL import Image

from xaikit.pictures.overlay import overlay
from xaikit.report.index import Entry
from xaikit.report.record import Record
from xaikit.report.report import Report
from xaikit.store.pictures import open_picture, overlay_name, picture_name, save_picture
from xaikit.store.rows import Failure
from xaikit.store.trials import StoredTrial


class OverlayWriter:
    """Draws finished maps over the photographs as the model saw them; from the store, so that picture and query agree."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._folder = report.index.store.folder

    def write_missing(self) -> list[Failure]:
        """Draw what a plan asks for and the folder does not have: of a finish that is new, or what was deleted."""
        return self.write(self._report.index.parts, self._folder.names("overlays", ".png"))

    def write(self, parts: Iterable[str], existing: Collection[str] = ()) -> list[Failure]:
        """Draw the overlays of some parts, but not those that exist.

        Returns:
            Why maps could not be finished or drawn.

        Raises:
            OSError: the disk does not take the pictures.
        """
        existing, failures = set(existing), []
        for part in parts:
            index = self._report.index
            for stem, photograph in groupby(index.records(index.rows([part])), key=lambda entry: entry[0].stem):
                missing = [entry for entry in photograph if self._is_missing(*entry[:2], existing)]
                picture = open_picture(self._folder, picture_name(stem)) if missing else None
                if picture is not None:
                    failures += self._write_photograph(picture, missing)
        return failures

    def _is_missing(self, record: Record, trial: StoredTrial, existing: Collection[str]) -> bool:
        drawn = trial.fuses and len(trial.space) == 2
        return drawn and overlay_name(record.stem, trial.name, record.column) not in existing

    def _write_photograph(self, picture: Image.Image, entries: Iterable[Entry]) -> list[Failure]:
        failures = []
        for _, group in groupby(entries, key=lambda entry: entry[1].name):
            columns = list(group)
            record, trial, row = columns[0]
            try:
                self._draw(picture, trial, row, [record for record, _, _ in columns])
            except OSError:
                raise
            except Exception as error:  # a finisher of somebody else may raise anything
                message = f"{trial.name}: the map cannot be finished: {type(error).__name__}: {error}"
                details = "".join(traceback.format_exception(error))
                failures.append(Failure(trial.bench, record.name, record.image, trial.evidence, message, details))
        return failures

    def _draw(
        self, picture: Image.Image, trial: StoredTrial, row: Mapping[str, Any], records: Sequence[Record]
    ) -> None:
        # only maps of pictures are drawn
        raws = {layer: raw for layer, raw in self._report.raw(trial, row).items() if raw.dim() == 3}
        if not raws:
            return
        fused = self._report.finish(trial, raws)
        for record in records:
            drawn = overlay(picture, fused[record.column], signed=trial.signed)
            save_picture(self._folder, overlay_name(record.stem, trial.name, record.column), drawn)
