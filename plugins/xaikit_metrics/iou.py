"""Intersection over union: how well what stands out in a map fits its object."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xaikit import hookimpl, regions
from xaikit.metric import Annotation, MetricView, Policy
from xaikit_metrics._boxes import best_iou, box_around, boxes_of, check_space, moved_iou
from xaikit_metrics._objects import Localisation

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class IntersectionOverUnion(Localisation):
    """What the regions of the map (:func:`xaikit.regions`) and the objects have in common, over what they cover together: as
    places, or as the box around the regions and that of the object which it fits best. A constant map stands out everywhere.
    Chance is what as many places get anywhere, or the same box in the mean of all places in the frame: a map that marks
    much has more of it.

    Cost: none but the regions, on the CPU.
    Fails: the threshold decides; ``maxboxacc`` looks at all of them, ``averageprecision`` needs none.
    Peers: the threshold at a share of the largest value is that of weakly supervised localisation (0.2 in Zhou et al. 2016).

    of         which objects count: those of the explained class and of no stated class (target), or all (any)
    by         mask: places; box: boxes
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
        """That of other places, as many as the map marks."""
        return self._each(view, _mean_iou if self.by == "mask" else _mean_iou_of_boxes)

    def measure(self, view: MetricView) -> Tensor:
        """(N, T); NaN where no object is stated."""
        check_space(view.shape[2:], "iou")
        return self.stated(view, self._each(view, _iou if self.by == "mask" else _iou_of_boxes))

    def _each(self, view: MetricView, value: Callable[[Mask, Annotation], float]) -> Tensor:
        """(N, 1), NaN where there is no object."""
        pairs = zip(view.maps[:, 0], view.objects(self.of), strict=True)
        values = [value(self._marked(saliency), one) if _is_somewhere(one) else math.nan for saliency, one in pairs]
        return torch.tensor(values, device=view.maps.device, dtype=torch.float64).unsqueeze(1)

    def _marked(self, saliency: Tensor) -> Mask:
        """The places of the regions."""
        space = tuple(saliency.shape)
        if saliency.min() == saliency.max():
            return np.ones(space, bool)
        parts = regions(saliency, self.threshold, self.keep)
        return np.isin(parts[0].labels, [part.label for part in parts]) if parts else np.zeros(space, bool)


def _is_somewhere(one: Annotation) -> bool:
    return bool(len(one.boxes)) if one.mask is None else bool(one.mask.any())


def _iou(marked: Mask, one: Annotation) -> float:
    places = one.places(marked.shape).cpu().numpy()
    return float((marked & places).sum() / max(1, (marked | places).sum()))


def _mean_iou(marked: Mask, one: Annotation) -> float:
    """Of as many places anywhere."""
    area, size = marked.sum(), int(one.places(marked.shape).sum())
    common = area * size / marked.size
    return float(common / max(1, area + size - common))


def _iou_of_boxes(marked: Mask, one: Annotation) -> float:
    return best_iou(box_around(marked), boxes_of(one, marked.shape))


def _mean_iou_of_boxes(marked: Mask, one: Annotation) -> float:
    """Of the same box anywhere."""
    box = box_around(marked)
    return moved_iou(box, boxes_of(one, marked.shape), marked.shape) if len(box) else 0.0


@hookimpl
def xaikit_metric() -> type:
    return IntersectionOverUnion
