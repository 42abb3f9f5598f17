"""The photographs as the model saw them, for the pictures that a run folder has lost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from xaikit.bench.loader import Picture
from xaikit.errors import DamagedFile
from xaikit.report.boxes import TABLE
from xaikit.report.index import Index
from xaikit.runner.frames import save_pictures
from xaikit.runner.prepare import PreparedBench, PreparedRun
from xaikit.schema.sections import ReportConfig
from xaikit.sources import Photograph
from xaikit.store.names import model_of
from xaikit.store.pictures import picture_files, picture_name, remove_picture, shown_image, whole_name
from xaikit.store.rows import Failure
from xaikit.store.store import Store


def save_missing_pictures(run: PreparedRun, index: Index) -> list[Failure]:
    """Read the photographs again whose maps are there and whose picture is not, and save it.

    Returns:
        Those that cannot be read any more: nothing can be drawn over them.

    Raises:
        OSError: the disk does not take a picture.
    """
    existing = set(index.store.folder.names("pictures", ".png"))
    return [failure for bench in run.benches for failure in _save_missing(bench, index, existing)]


STYLE = ("on", "colormap", "alpha", "colorbar", "format")
"""What overlays depend on, of ``report`` in a config."""


def remove_outdated(store: Store, run: PreparedRun) -> None:
    """Remove the overlays of a folder that was planned in another style, or where a name meant another trial or model: they are
    drawn anew; and the table of other boxes than are asked for now."""
    boxes = run.config.report.plain().get("boxes")
    if (before := store.plan().get("config", {}).get("report", {}).get("boxes")) and before != boxes:
        store.folder.remove(TABLE)
    if _is_restyled(store, run.config.report) or _is_renamed(store, run):
        for name in picture_files(store.folder, "overlays"):
            remove_picture(store.folder, name)


def _is_restyled(store: Store, style: ReportConfig) -> bool:
    planned = store.plan().get("config", {}).get("report", {})
    return any(planned.get(key, getattr(style, key)) != getattr(style, key) for key in STYLE)


def _is_renamed(store: Store, run: PreparedRun) -> bool:
    """Whether a trial of the plan before has the name of another one now: overlays are known by names."""
    try:
        before = _meanings(store.trials().to_pylist()) if store.plan() else {}
    except DamagedFile:
        return True
    now = _meanings([vars(trial) for trial in run.trials()])
    return any(name in before and before[name] != meaning for name, meaning in now.items())


def _meanings(trials: Iterable[Mapping[str, Any]]) -> dict[str, set[tuple[str, str]]]:
    """By name, which trials on which models."""
    meanings: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for trial in trials:
        meanings[trial["name"]].add((model_of(trial["bench"]), trial["id"]))
    return meanings


def _save_missing(bench: PreparedBench, index: Index, existing: set[str]) -> Iterator[Failure]:
    stems = {photograph.name: index.photographs[bench.key][photograph.name].stem for photograph in bench.photographs}
    names = (picture_name, whole_name) if bench.loader.whole else (picture_name,)

    def is_missing(photograph: Photograph) -> bool:
        stem, image = stems[photograph.name], index.photographs[bench.key][photograph.name].image
        if any(name(stem) not in existing for name in names):
            return True
        return photograph.name in index.edited and shown_image(index.store.folder, picture_name(stem)) != image

    missing = [photograph for photograph in bench.photographs if is_missing(photograph)]
    explained = _explained(bench, index, missing)
    for (picture,) in bench.loader.batches([photograph] for photograph in missing if photograph.name in explained):
        name = picture.photograph.name
        if isinstance(picture, Picture):
            save_pictures(index.store.folder, stems[name], picture)
        else:
            yield Failure(bench.key, name, picture.digest, error=f"its picture cannot be drawn again: {picture.error}")


def _explained(bench: PreparedBench, index: Index, photographs: list[Photograph]) -> set[str]:
    """The names of those that have maps; where none is asked for no part is read."""
    names = {photograph.name for photograph in photographs}
    parts = index.store.parts(bench.key) if names else []
    return {name for part in parts for name in index.rows([part], names)["name"].to_pylist()}
