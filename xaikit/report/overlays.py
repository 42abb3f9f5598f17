"""The overlays of a run folder: their names, and those that are missing drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from PIL import Image
from torch import Tensor

from xaikit.pictures.overlay import overlay
from xaikit.report.index import Index
from xaikit.report.record import Record
from xaikit.store import Store, open_picture, save_picture
from xaikit.store.names import safe_names
from xaikit.store.trials import StoredTrial

Finisher = Callable[[Mapping[str, Any], Mapping[str, Tensor], Mapping[str, float], tuple[int, ...]], Tensor | None]
"""From the stages of a finish, raw maps (N, T, *S), strides and the input's shape to the fused map."""


def picture_name(stem: str) -> str:
    """Where a photograph lies as the model saw it."""
    return f"pictures/{stem}.png"


def overlay_name(stem: str, trial: str, column: int) -> str:
    """Where the overlay of a trial lies; the first target of a plural one is column 0."""
    ending = f".{column}" if column else ""
    return f"overlays/{stem}.{safe_names([trial])[trial]}{ending}.png"


def draw_missing(index: Index, finisher: Finisher) -> None:
    """Draw the overlays that a plan asks for and the folder does not have: of a finish that is new, or that were deleted.

    What cannot be finished is left out; whoever computed it has recorded why.
    """
    store = index.store
    there = set(store.folder.names("overlays", ".png"))
    for part in index.parts:
        for record, trial, row in index.records(index.rows([part])):
            fuses = trial.finish["fuse"] != "none" and len(trial.space) == 2
            if not fuses or overlay_name(record.stem, trial.name, record.column) in there:
                continue
            seen = open_picture(store.folder, picture_name(record.stem))
            if seen is not None:
                _draw(store, record, trial, row, seen, finisher)


def _draw(
    store: Store, record: Record, trial: StoredTrial, row: Mapping[str, Any], seen: Image.Image, finisher: Finisher
) -> None:
    stored = store.maps(row["file"], trial.maps, row["row"])
    raws = {layer: stored[key].unsqueeze(0) for layer, key in zip(trial.layers, trial.maps, strict=True)}
    try:
        fused = finisher(trial.finish, raws, dict(zip(trial.layers, trial.strides, strict=True)), trial.space)
    except Exception:  # a finisher of somebody else may raise anything, and has when the map was computed
        return
    if fused is not None:
        picture = overlay(seen, fused[0][record.column], signed=is_signed(trial.finish))
        save_picture(store.folder, overlay_name(record.stem, trial.name, record.column), picture)


def is_signed(finish: Mapping[str, Any]) -> bool:
    """Whether finished maps may be negative: their overlays keep one colour table, also where a map happens not to be."""
    return bool(finish["rectify"] == "none" and finish["normalize"] != "minmax")
