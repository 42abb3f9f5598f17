"""What of a picture a score is of, in a column of a row: a box, or a mask in run lengths as COCO has them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def written_place(place: Mapping[str, Any], size: tuple[int, int]) -> str:
    """As JSON: `{"corners": [x0, y0, x1, y1]}` in pixels of the input, or `{"mask": {"size": [H, W], "counts": [...]}}`.

    Args:
        size: width and height of the input.
    """
    mask = place.get("mask")
    if mask is None:
        sides = size * 2 if place.get("relative") else (1, 1, 1, 1)
        corners = zip(place["corners"], sides, strict=True)
        return json.dumps({"corners": [round(float(corner) * side, 2) for corner, side in corners]})
    return json.dumps({"mask": {"size": list(mask.shape), "counts": _run_lengths(np.asarray(mask, bool))}})


def read_place(text: str | None) -> Mapping[str, Any]:
    """The same with its mask as an array (H, W) of bool; empty where there is none."""
    place: dict[str, Any] = json.loads(text) if text else {}
    if "mask" in place:
        counts = place["mask"]["counts"]
        flat = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
        place["mask"] = flat.reshape(place["mask"]["size"], order="F")
    return place


def _run_lengths(mask: NDArray[np.bool_]) -> list[int]:
    """Of 0 and 1 in turn, 0 first, column by column."""
    flat = mask.ravel(order="F")
    ends = np.append(np.flatnonzero(np.diff(flat)) + 1, len(flat))
    counts: list[int] = np.diff(ends, prepend=0).tolist()
    return [0, *counts] if flat[0] else counts
