"""Intersection over union: how well what stands out in a map fits its object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from xaikit import hookimpl, regions
from xaikit.metric import Annotation, MetricView, Policy
from xaikit_metrics._boxes import best_iou, boxes_of, check_space, frame_of
from xaikit_metrics._objects import Localisation


@dataclass(frozen=True)
class IntersectionOverUnion(Localisation):
    """What the regions of the map (:func:`xaikit.regions`) and the objects have in common, over what they cover together: as
    places, or as the two boxes that fit best. Chance is that of the whole frame, which a constant map is taken for.

    Cost: none but the regions, on the CPU.
    Fails: the threshold decides; ``maxboxacc`` looks at all of them, ``averageprecision`` needs none.
    Peers: the threshold at a share of the largest value is that of weakly supervised localisation (0.2 in Zhou et al. 2016).

    of         which objects count: those of the explained class and of no stated class (target), or all (any)
    by         mask: the places of all regions and objects; box: the best pair of a region's box and an object's
    threshold  a share of the largest value, a percentile of all values such as "95%", or otsu
    keep       all regions, or the largest alone
    reads      which map is looked at
    """

    by: Literal["mask", "box"] = "mask"
    threshold: float | str = 0.5
    keep: Literal["all", "largest"] = "all"
    reads: Policy = "rectified"

    equation: ClassVar[str] = "|regions(m) and object| / |regions(m) or object|"
    citation: ClassVar[str] = "Zhou et al. 2016, arXiv:1512.04150, section 3.2"

    def __post_init__(self) -> None:
        regions([[1.0]], self.threshold, self.keep)  # raises for a threshold or choice that there is not

    def chance(self, view: MetricView) -> Tensor:
        """That of the whole frame."""
        values = [self._of_frame(one, view.shape[2:]) for one in view.objects(self.of)]
        empty = ~self.masks(view).flatten(2).any(2)
        return torch.tensor(values, device=empty.device, dtype=torch.float64).unsqueeze(1).masked_fill(empty, torch.nan)

    def measure(self, view: MetricView) -> Tensor:
        """(N, T); NaN where no object is stated."""
        check_space(view.shape[2:], "iou")
        values = [
            self._value(saliency, one) for saliency, one in zip(view.maps[:, 0], view.objects(self.of), strict=True)
        ]
        return self.stated(view, torch.tensor(values, device=view.maps.device, dtype=torch.float64).unsqueeze(1))

    def _value(self, saliency: Tensor, one: Annotation) -> float:
        space = tuple(saliency.shape)
        if saliency.min() == saliency.max():
            return self._of_frame(one, space)
        parts = regions(saliency, self.threshold, self.keep)
        if self.by == "box":
            return best_iou(
                np.array([part.box for part in parts], dtype=np.float64).reshape(-1, 4), boxes_of(one, space)
            )
        covered = np.logical_or.reduce([np.zeros(space, bool), *(part.mask for part in parts)])
        return _iou(torch.from_numpy(covered), one.places(space))

    def _of_frame(self, one: Annotation, space: tuple[int, ...]) -> float:
        if self.by == "box":
            return best_iou(frame_of(space), boxes_of(one, space))
        return float(one.places(space).double().mean())


def _iou(one: Tensor, other: Tensor) -> float:
    return int((one & other).sum()) / max(1, int((one | other).sum()))


@hookimpl
def xaikit_metric() -> type:
    return IntersectionOverUnion
