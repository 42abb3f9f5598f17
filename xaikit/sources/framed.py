"""Where the objects of a sample are, as the model sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from xaikit.sources.contract import Polygon

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Annotation:
    """Where the objects of a sample are, in the frame of the model's input.

    boxes   (K, 4): x0, y0, x1, y1 in pixels of the input
    labels  one a box: the index of its class, what the data states where the model has no such class, or None for any class
    mask    (*S) of bool; None where the data has boxes alone
    lost    objects that the crop has cut away
    note    why nothing is known of what the data states; "" where all is well
    outlines  of each box the outlines of the parts of its object; () of one of which the box alone is stated
    """

    boxes: Tensor
    labels: tuple[str | int | None, ...] = ()
    mask: Tensor | None = None
    lost: int = 0
    note: str = ""
    outlines: tuple[tuple[Polygon, ...], ...] = ()

    def of(self, index: int) -> Annotation:
        """The same without boxes of other classes."""
        chosen = [
            place for place, label in enumerate(self.labels or [None] * len(self.boxes)) if label in (None, index)
        ]
        labels = self.labels and tuple(self.labels[place] for place in chosen)
        outlines = self.outlines and tuple(self.outlines[place] for place in chosen)
        return replace(self, boxes=self.boxes[chosen], labels=labels, outlines=outlines)

    def places(self, space: Sequence[int]) -> Tensor:
        """Where an object is, (*S) of bool: the mask, or else all outlines, and the boxes of what has none."""
        if self.mask is not None:
            return self.mask
        import torch

        places = torch.zeros(tuple(space), dtype=torch.bool)
        outlines = self.outlines or ((),) * len(self.boxes)
        for (left, top, right, bottom), parts in zip(self.boxes.round().long().tolist(), outlines, strict=True):
            for polygon in parts:
                places |= inside(polygon, space)
            if not parts:
                places[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = True
        return places


def inside(polygon: Polygon, space: Sequence[int]) -> Tensor:
    """The pixels whose middle lies inside an outline, (H, W) of bool, by the even-odd rule."""
    import torch

    y, x = (torch.arange(side, dtype=torch.float64) + 0.5 for side in space)
    crossed = torch.zeros(tuple(space), dtype=torch.bool)
    for (x0, y0), (x1, y1) in zip(polygon, (*polygon[1:], polygon[0]), strict=True):
        if y0 != y1:
            between = (y0 > y) != (y1 > y)
            crossed ^= between[:, None] & (x < (x0 + (y - y0) * (x1 - x0) / (y1 - y0))[:, None])
    return crossed
