"""The pictures of one photograph: what the model saw, and every map over it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from PIL import Image
from torch import Tensor

from xaikit.report.overlay import overlay
from xaikit.stems import safe_names
from xaikit.store import Store


def write_pictures(store: Store, stem: str, seen: Image.Image, finished: Mapping[str, Tensor]) -> None:
    """Write ``pictures/<stem>.png`` and one overlay a label and target.

    Args:
        seen: the picture as the model saw it.
        finished: finished maps (T, H, W) by label.
    """
    store.save_picture(f"pictures/{stem}.png", seen)
    for label, maps in finished.items():
        for column, saliency in enumerate(maps):
            store.save_picture(_overlay_name(stem, label, column), overlay(seen, saliency))


def overlay_path(folder: Path, stem: str, label: str, column: int) -> Path:
    """Where the overlay of a label lies; the first target of a plural one is column 0."""
    return folder / _overlay_name(stem, label, column)


def _overlay_name(stem: str, label: str, column: int) -> str:
    ending = f".{column}" if column else ""
    return f"overlays/{stem}.{safe_names([label])[label]}{ending}.png"
