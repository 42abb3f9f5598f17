"""The overlays of a run folder, drawn from what it holds.

Maps are finished by one thread of torch, several photographs of a trial at once; pictures are made and written by a few
threads beside it, which need no torch.
"""

from __future__ import annotations

import traceback
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any, TypeVar

from PIL import Image
from torch import Tensor

from xaikit.passes.process import torch_threads
from xaikit.pictures.marks import PictureMark, Words, marks_of
from xaikit.pictures.overlay import Floats
from xaikit.pictures.places import read_place
from xaikit.pictures.spaces import DRAWN, frames_of_map, overlay_of
from xaikit.report.index import Entry, Index
from xaikit.report.recent import RecentOverlays
from xaikit.report.record import Record
from xaikit.report.report import Report
from xaikit.schema.sections import ReportConfig
from xaikit.store.pictures import (
    film_name,
    open_picture,
    overlay_name,
    picture_name,
    save_picture,
    shown_image,
    whole_name,
)
from xaikit.store.rows import Failure
from xaikit.store.trials import StoredTrial

THREADS = 2
TOGETHER = 8
"""Photographs of a trial that are finished at once."""
AHEAD = 32
"""Pictures that wait to be drawn."""

PLAIN = ReportConfig()
"""How overlays are drawn where nothing is said."""

T = TypeVar("T")

Columns = Sequence[Entry]
"""What one trial says of one photograph: an entry for each place on the target axis."""


def write_missing_overlays(
    report: Report,
    style: ReportConfig = PLAIN,
    stops: Callable[[], bool] = lambda: False,
    recent: RecentOverlays | None = None,
) -> list[Failure]:
    """Draw what a plan asks for and the folder does not have: of a finish that is new, what was deleted, or what shows a
    photograph as it was before it was edited. The rest is as of :func:`write_overlays`."""
    existing = report.index.store.folder.names("overlays", f".{style.format}")
    return write_overlays(report, report.index.parts, existing, style, stops, recent)


def write_overlays(
    report: Report,
    parts: Iterable[str],
    existing: Collection[str] = (),
    style: ReportConfig = PLAIN,
    stops: Callable[[], bool] = lambda: False,
    recent: RecentOverlays | None = None,
) -> list[Failure]:
    """Draw finished maps over the photographs as the model saw them; from the store, so that picture and query agree.

    Args:
        parts: whose overlays are drawn.
        existing: those that are not drawn again.
        style: how.
        stops: asked before every map: whether to leave the rest to somebody else.
        recent: is handed what is drawn.

    Returns:
        Why maps could not be finished or drawn.

    Raises:
        OSError: the disk does not take the pictures.
    """
    index, existing = report.index, set(existing)
    failures: list[Failure] = []
    recent = recent or RecentOverlays(0)
    with drawing() as draw:
        for part in parts:
            entries = index.records(index.rows([part]))
            missing = [entry for entry in entries if _is_missing(index, entry, existing, style)]
            frames = frames_of(index, (entry[0].stem for entry in missing), style)
            shown = [entry for entry in missing if entry[0].stem in frames]
            for columns, fused in finished(report, shown):
                if stops():
                    return failures
                if isinstance(fused, Failure):
                    failures.append(fused)
                else:
                    draw(partial(_write, index, frames[columns[0][0].stem], columns, fused, style, recent))
    return failures


def _is_missing(index: Index, entry: Entry, existing: Collection[str], style: ReportConfig) -> bool:
    name, (record, trial, _) = file_of_overlay(entry, style), entry
    if not is_drawn(trial):
        return False
    return name not in existing or (
        record.name in index.edited and shown_image(index.store.folder, name) != record.image
    )


@dataclass(frozen=True)
class Frame:
    """A photograph as the model saw it, and all of it where overlays are drawn over that; or what is shown of a series, a
    volume, or a video, of which ``film`` has all frames, one below the other."""

    picture: Image.Image
    whole: Image.Image | None = None
    film: Image.Image | None = None


def frames_of(index: Index, stems: Iterable[str], style: ReportConfig) -> dict[str, Frame]:
    """Those of some photographs that the folder has, by stem."""
    frames: dict[str, Frame] = {}
    for stem in dict.fromkeys(stems):
        picture = open_picture(index.store.folder, picture_name(stem))
        if picture is not None:
            whole = open_picture(index.store.folder, whole_name(stem)) if style.on == "original" else None
            frames[stem] = Frame(picture, whole, open_picture(index.store.folder, film_name(stem)))
    return frames


@contextmanager
def drawing() -> Iterator[Pen]:
    """Something that is handed what draws a picture, and does it soon; when the block ends all is drawn.

    Raises:
        Exception: what drawing has raised.
    """
    with torch_threads(1), ThreadPoolExecutor(THREADS, "xaikit") as pool:
        draw = Pen(pool)
        yield draw
        draw.wait(0)


class Pen:
    """See :func:`drawing`."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self._waiting: deque[Future[Any]] = deque()

    def __call__(self, draw: Callable[[], T]) -> Future[T]:
        """All begins in the order in which it was handed over, so that one may wait for those before it."""
        self.wait(AHEAD)
        drawn = self._pool.submit(draw)
        self._waiting.append(drawn)
        return drawn

    def wait(self, most: int) -> None:
        """Until at most so many pictures are not drawn yet."""
        while len(self._waiting) > most:
            self._waiting.popleft().result()


def finished(report: Report, entries: Sequence[Entry]) -> Iterator[tuple[Columns, Tensor | Failure]]:
    """What each trial says of each photograph, with its finished map (T, *S), or why there is none; only maps of as many
    axes as the input has."""
    of_trials: dict[str, list[Columns]] = defaultdict(list)
    for _, group in groupby(entries, key=lambda entry: (entry[0].name, entry[1].name, entry[1].bench)):
        columns = list(group)
        of_trials[columns[0][1].name + columns[0][1].bench].append(columns)
    for several in of_trials.values():
        for start in range(0, len(several), TOGETHER):
            yield from _finished(report, several[start : start + TOGETHER])


def _finished(report: Report, several: Sequence[Columns]) -> Iterator[tuple[Columns, Tensor | Failure]]:
    """Of photographs by one trial: together, and one by one where that fails, so that only the guilty one does."""
    trial = several[0][0][1]
    try:
        raws = report.raws(trial, [columns[0][2] for columns in several])
        axes = 1 + len(trial.space)
        kept = [{layer: raw for layer, raw in each.items() if raw.dim() == axes} for each in raws]
        if not kept[0]:
            return
        yield from zip(several, report.finish_all(trial, kept), strict=True)
    except OSError:
        raise
    except Exception as error:  # a finisher of somebody else may raise anything
        if len(several) > 1:
            for columns in several:
                yield from _finished(report, [columns])
        else:
            yield several[0], _failure(several[0], error)


def _failure(columns: Columns, error: Exception) -> Failure:
    record, trial, _ = columns[0]
    message = f"{trial.name}: the map cannot be finished: {type(error).__name__}: {error}"
    details = "".join(traceback.format_exception(error))
    return Failure(trial.bench, record.name, record.image, trial.evidence, message, details)


def _write(
    index: Index, frame: Frame, columns: Columns, fused: Tensor, style: ReportConfig, recent: RecentOverlays
) -> None:
    """The overlays of one photograph by one trial, one for each place on the target axis."""
    for entry in columns:
        record, trial, _ = entry
        name, picture = file_of_overlay(entry, style), drawn(frame, entry, fused, style)
        save_picture(index.store.folder, name, picture, record.image)
        recent.add(name, picture)
        if frame.film is not None and style.format != "pdf":
            name = overlay_name(record.stem, trial.name, record.column, "gif")
            first, *further = frames_of_map(frame.film, _numbers(entry, fused), style.alpha, **_look(trial, style))
            save_picture(index.store.folder, name, first, record.image, further=further)


def file_of_overlay(entry: Entry, style: ReportConfig) -> str:
    """Where the overlay of an entry lies."""
    record, trial, _ = entry
    return overlay_name(record.stem, trial.name, record.column, style.format)


def drawn(frame: Frame, entry: Entry, fused: Tensor, style: ReportConfig) -> Image.Image:
    """The overlay of an entry, out of the finished maps (T, *S) of its photograph by its trial."""
    record, trial, row = entry
    return overlay_of(
        frame.picture,
        _numbers(entry, fused),
        trial.space,
        style.alpha,
        background=frame.whole,
        marks=tuple(_marks(record, row, frame.picture.size)),
        **_look(trial, style),
    )


def _marks(record: Record, row: Mapping[str, Any], size: tuple[int, int]) -> Iterator[PictureMark]:
    """What the score is of, with the class and the score; and where a model has no classes, the number that is explained."""
    place = read_place(row.get("extent"))
    text = f"{record.target_name} {record.score:.3g}".strip() if "corners" in place else record.target_name
    yield from marks_of(place, text, size, size)
    if not place and record.prediction is None and record.target is None:
        yield Words(f"{record.score:.4g}")


def _numbers(entry: Entry, fused: Tensor) -> Floats:
    numbers: Floats = fused[entry[0].column].float().numpy()
    return numbers


def _look(trial: StoredTrial, style: ReportConfig) -> dict[str, Any]:
    return {"colormap": style.colormap, "signed": trial.signed, "colorbar": style.colorbar}


def is_drawn(trial: StoredTrial) -> bool:
    """Whether somebody asked for its pictures, and its maps are of something that can be drawn, and fused."""
    return trial.fuses and not trial.control and len(trial.space) in DRAWN
