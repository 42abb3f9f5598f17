"""Boxes beside boxes: how much two have in common of what they cover together."""

from __future__ import annotations

import torch
from torch import Tensor

from xaikit.metric import Annotation


def boxes_of(annotation: Annotation, space: tuple[int, ...]) -> Tensor:
    """The boxes of the objects, (K, 4); of a mask alone the box around it."""
    if len(annotation.boxes) or annotation.mask is None:
        return annotation.boxes.double()
    places = annotation.places(space).nonzero()
    if not len(places):
        return annotation.boxes.double()
    first, last = places.amin(0).flip(0), places.amax(0).flip(0) + 1
    return torch.cat([first, last]).unsqueeze(0).double()


def frame_of(space: tuple[int, ...]) -> Tensor:
    """The whole frame (H, W) as a box, (1, 4)."""
    return torch.tensor([[0, 0, space[1], space[0]]], dtype=torch.float64)


def best_iou(boxes: Tensor, others: Tensor) -> float:
    """The largest intersection over union of a box (K, 4) and another (L, 4); 0 where there are none."""
    if not len(boxes) or not len(others):
        return 0.0
    first = torch.maximum(boxes[:, None, :2], others[None, :, :2])
    last = torch.minimum(boxes[:, None, 2:], others[None, :, 2:])
    common = (last - first).clamp(min=0).prod(2)
    areas = [(each[:, 2:] - each[:, :2]).prod(1) for each in (boxes, others)]
    return float((common / (areas[0][:, None] + areas[1][None] - common)).max())


def check_space(space: tuple[int, ...], metric: str) -> None:
    """Raises ValueError for maps that are not of two dimensions."""
    if len(space) != 2:
        raise ValueError(f"{metric}: expected maps (H, W), got {space}")
