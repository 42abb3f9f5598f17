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
    for folder in ("pictures", "overlays"):
        (store.folder / folder).mkdir(exist_ok=True)
    seen.save(store.folder / "pictures" / f"{stem}.png", compress_level=1)
    for label, maps in finished.items():
        for column, saliency in enumerate(maps):
            overlay(seen, saliency).save(overlay_path(store.folder, stem, label, column), compress_level=1)


def overlay_path(folder: Path, stem: str, label: str, column: int) -> Path:
    """Where the overlay of a label lies; the first target of a plural one is column 0."""
    ending = f".{column}" if column else ""
    return folder / "overlays" / f"{stem}.{safe_names([label])[label]}{ending}.png"
