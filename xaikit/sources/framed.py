"""Where the objects of a sample are, as the model sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

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
    """

    boxes: Tensor
    labels: tuple[str | int | None, ...] = ()
    mask: Tensor | None = None
    lost: int = 0
    note: str = ""

    def of(self, index: int) -> Annotation:
        """The same without boxes of other classes."""
        chosen = [
            place for place, label in enumerate(self.labels or [None] * len(self.boxes)) if label in (None, index)
        ]
        labels = self.labels and tuple(self.labels[place] for place in chosen)
        return replace(self, boxes=self.boxes[chosen], labels=labels)

    def places(self, space: Sequence[int]) -> Tensor:
        """Where an object is, (*S) of bool: the mask, or the union of the boxes."""
        if self.mask is not None:
            return self.mask
        import torch

        places = torch.zeros(tuple(space), dtype=torch.bool)
        for left, top, right, bottom in self.boxes.round().long().tolist():
            places[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = True
        return places
