"""Pointing game: whether the highest place of a map lies on its object (Zhang et al. 2016)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from xaikit import hookimpl
from xaikit.metric import MetricView, Policy
from xaikit_metrics._blocks import stepped
from xaikit_metrics._objects import Localisation, or_nan


@dataclass(frozen=True)
class PointingGame(Localisation):
    """Whether the highest place of the map is on an object, or so near one that a pixel of it lies within the tolerance.

    Where several places are equally high the value is the share of them that hit: what is to be expected of one that is drawn
    among them. Chance is the share of the frame that hits.

    Cost: none.
    Fails: it looks at one place; where objects are large most places hit, so read it beside its chance.
    Peers: TorchRay takes the first of equal places in the order of the rows; Quantus' PointingGame lets any of them hit, so
    that a constant map always wins, and a photograph without an object too.

    of         which objects count: those of the explained class and of no stated class (target), or all (any)
    tolerance  pixels of the model's input, as the crow flies
    reads      which map is looked at
    """

    tolerance: int = 15
    reads: Policy = "raw"

    equation: ClassVar[str] = "[argmax_i m_i in object + tolerance]"
    citation: ClassVar[str] = "Zhang et al. 2016, arXiv:1608.00507, section 4.1"

    def __post_init__(self) -> None:
        if self.tolerance < 0:
            raise ValueError(f"tolerance: expected 0 or more pixels, got {self.tolerance}")

    def chance(self, view: MetricView) -> Tensor:
        """The share of the frame on which a place hits."""
        return or_nan(self._hits(view).double().mean(2))

    def measure(self, view: MetricView) -> Tensor:
        """(N, T), 0 or 1 where one place is highest, between them where several are; NaN where no object is stated."""
        steps = stepped(view.maps.flatten(2))
        highest = steps == steps.amax(2, keepdim=True)
        count = highest.sum(2)
        view.keep("highest", count.double())
        return self.stated(view, (highest & self._hits(view)).sum(2) / count.double())

    def _hits(self, view: MetricView) -> Tensor:
        return grown(self.masks(view)[:, 0], self.tolerance).flatten(1).unsqueeze(1)


def grown(masks: Tensor, radius: int) -> Tensor:
    """Masks (N, *S) with all places that are within a radius of one of theirs, in pixels as the crow flies."""
    far = float(radius**2 + 1)
    squares = torch.where(masks, 0.0, far)
    for axis in range(1, masks.dim()):  # the least of the sums over all axes is the square of the distance
        least = squares.clone()
        for offset in range(1, min(radius, masks.shape[axis] - 1) + 1):
            size = masks.shape[axis] - offset
            before, after = squares.narrow(axis, 0, size), squares.narrow(axis, offset, size)
            least.narrow(axis, offset, size).clamp_(max=before + offset**2)
            least.narrow(axis, 0, size).clamp_(max=after + offset**2)
        squares = least
    return squares <= radius**2


@hookimpl
def xaikit_metric() -> type:
    return PointingGame
