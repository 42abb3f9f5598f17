"""Boxes beside boxes: how much two have in common of what they cover together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xaikit import DataError
from xaikit.metric import Annotation

Boxes = NDArray[np.float64]
"""(K, 4): x0, y0, x1, y1, the last two just outside."""


def boxes_of(annotation: Annotation, space: tuple[int, ...]) -> Boxes:
    """The boxes of the objects; of a mask alone the box around it."""
    if len(annotation.boxes) or annotation.mask is None:
        return annotation.boxes.cpu().double().numpy()
    return box_around(annotation.places(space).cpu().numpy())


def box_around(mask: NDArray[np.bool_]) -> Boxes:
    """The box around the places of a mask (H, W), (1, 4); none where there is no place."""
    places = np.argwhere(mask)
    if not len(places):
        return np.zeros((0, 4))
    return np.concatenate([places.min(0)[::-1], places.max(0)[::-1] + 1])[None].astype(np.float64)


def frame_of(space: tuple[int, ...]) -> Boxes:
    """The whole frame (H, W) as a box."""
    return np.array([[0, 0, space[1], space[0]]], dtype=np.float64)


def best_iou(boxes: Boxes, others: Boxes) -> float:
    """The largest intersection over union of a box and another; 0 where there are none."""
    if not len(boxes) or not len(others):
        return 0.0
    first = np.maximum(boxes[:, None, :2], others[None, :, :2])
    last = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    common = (last - first).clip(min=0).prod(2)
    areas = [(each[:, 2:] - each[:, :2]).prod(1) for each in (boxes, others)]
    return float((common / (areas[0][:, None] + areas[1][None] - common)).max())


def moved_iou(box: Boxes, others: Boxes, space: tuple[int, ...]) -> float:
    """What :func:`best_iou` is of a box (1, 4) in the mean, wherever in the frame (H, W) it lies."""
    sides = (box[0, 2:] - box[0, :2]).astype(int)
    common = []
    for axis in (0, 1):
        start = np.arange(space[1 - axis] - sides[axis] + 1)
        first, last = (
            np.maximum(start, others[:, None, axis]),
            np.minimum(start + sides[axis], others[:, None, axis + 2]),
        )
        common.append((last - first).clip(min=0))
    both = common[1][:, :, None] * common[0][:, None]
    areas = (others[:, 2:] - others[:, :2]).prod(1)[:, None, None]
    return float((both / (sides.prod() + areas - both)).max(0).mean())


def check_space(space: tuple[int, ...], metric: str) -> None:
    """Raises DataError, so that there is no value, for maps that are not of two dimensions."""
    if len(space) != 2:
        raise DataError(f"{metric}: expected maps (H, W), got {space}")
