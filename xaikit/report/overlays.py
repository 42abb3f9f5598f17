"""The overlays of a run folder, drawn from what it holds."""

from __future__ import annotations

import traceback
from collections.abc import Collection, Iterable, Sequence
from itertools import groupby

from PIL import Image

from xaikit.pictures.overlay import overlay
from xaikit.report.index import Entry, Index
from xaikit.report.record import Record
from xaikit.report.report import Report
from xaikit.store.pictures import open_picture, overlay_name, picture_name, save_picture, shown_image, whole_name
from xaikit.store.rows import Failure
from xaikit.store.trials import StoredTrial


def write_missing_overlays(report: Report, whole: bool = False) -> list[Failure]:
    """Draw what a plan asks for and the folder does not have: of a finish that is new, what was deleted, or what shows a
    photograph as it was before it was edited."""
    existing = report.index.store.folder.names("overlays", ".png")
    return write_overlays(report, report.index.parts, existing, whole)


def write_overlays(
    report: Report, parts: Iterable[str], existing: Collection[str] = (), whole: bool = False
) -> list[Failure]:
    """Draw finished maps over the photographs as the model saw them; from the store, so that picture and query agree.

    Args:
        parts: whose overlays are drawn.
        existing: those that are not drawn again.
        whole: show all of a photograph, and not the model's frame alone.

    Returns:
        Why maps could not be finished or drawn.

    Raises:
        OSError: the disk does not take the pictures.
    """
    index, existing, failures = report.index, set(existing), []
    for part in parts:
        for stem, photograph in groupby(index.records(index.rows([part])), key=lambda entry: entry[0].stem):
            missing = [entry for entry in photograph if _is_missing(index, *entry[:2], existing)]
            picture = open_picture(index.store.folder, picture_name(stem)) if missing else None
            if picture is not None:
                background = open_picture(index.store.folder, whole_name(stem)) if whole else None
                failures += _write_photograph(report, picture, background, missing)
    return failures


def _is_missing(index: Index, record: Record, trial: StoredTrial, existing: Collection[str]) -> bool:
    name = overlay_name(record.stem, trial.name, record.column)
    if not trial.fuses or len(trial.space) != 2:
        return False
    return name not in existing or (
        record.name in index.edited and shown_image(index.store.folder, name) != record.image
    )


def _write_photograph(
    report: Report, picture: Image.Image, background: Image.Image | None, entries: Iterable[Entry]
) -> list[Failure]:
    failures = []
    for _, group in groupby(entries, key=lambda entry: entry[1].name):
        columns = list(group)
        record, trial, _ = columns[0]
        try:
            _draw(report, picture, background, columns)
        except OSError:
            raise
        except Exception as error:  # a finisher of somebody else may raise anything
            message = f"{trial.name}: the map cannot be finished: {type(error).__name__}: {error}"
            details = "".join(traceback.format_exception(error))
            failures.append(Failure(trial.bench, record.name, record.image, trial.evidence, message, details))
    return failures


def _draw(report: Report, picture: Image.Image, background: Image.Image | None, columns: Sequence[Entry]) -> None:
    """The overlays of one photograph by one trial, one for each place on the target axis."""
    _, trial, row = columns[0]
    # only maps of pictures are drawn
    raws = {layer: raw for layer, raw in report.raw(trial, row).items() if raw.dim() == 3}
    if not raws:
        return
    fused = report.finish(trial, raws)
    for record, _, _ in columns:
        drawn = overlay(picture, fused[record.column], signed=trial.signed, background=background)
        name = overlay_name(record.stem, trial.name, record.column)
        save_picture(report.index.store.folder, name, drawn, record.image)
