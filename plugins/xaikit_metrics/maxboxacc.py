"""MaxBoxAccV2: how often a box around what stands out fits the object, at the best threshold (Choe et al. 2020)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xaikit import hookimpl
from xaikit.metric import MetricView, Policy
from xaikit_metrics._boxes import Boxes, best_iou, boxes_of, check_space, frame_of
from xaikit_metrics._objects import Localisation

LEVELS = (0.3, 0.5, 0.7)
"""Of the intersection over union, from which on a box counts as right; the value is the mean over them."""

COUNT = 100
"""Thresholds: 0, 0.01, ... 0.99 of a map in [0, 1]."""

BEFORE = 20
"""The threshold of 0.2, by which a value goes before one was chosen."""


@dataclass(frozen=True)
class MaxBoxAcc(Localisation):
    """Whether a box around a connected part above a threshold fits an object by an intersection over union of .3, .5 and .7: the
    share of these three. The threshold of each is the one at which most photographs of the other half are right: a photograph
    plays no part in the choice of its own. Halves are drawn by the seed.

    ``fits`` keeps the best intersection over union of a photograph at each of 100 thresholds. Chance is the box of the whole
    frame, which a constant map is taken for. Before all photographs are there, a value is that at a threshold of 0.2.

    Cost: none but 100 labellings of each map, on the CPU.
    Fails: where objects lie in the middle and are large, the control ``center`` is hard to beat.
    Peers: wsolevaluation chooses the threshold of each level on the very photographs that it judges, which can only be higher; it
    takes the outlines of holes for boxes as well.

    of  which objects count: those of the explained class and of no stated class (target), or all (any)
    """

    reads: ClassVar[Policy] = "minmax"
    equation: ClassVar[str] = "mean_d [IoU(box(m > t_d), object) >= d], d in .3, .5, .7"
    citation: ClassVar[str] = "Choe et al. 2020, arXiv:2007.04178, section 4.2"

    def chance(self, view: MetricView) -> Tensor:
        """That of the whole frame."""
        space = view.shape[2:]
        fits = torch.tensor([best_iou(frame_of(space), boxes_of(one, space)) for one in view.objects(self.of)])
        return _right(fits.double()).masked_fill(fits == 0, torch.nan).unsqueeze(1).to(view.maps.device)

    def measure(self, view: MetricView) -> Tensor:
        """(N, T); NaN where no object is stated."""
        space = view.shape[2:]
        check_space(space, "maxboxacc")
        boxes = [boxes_of(one, space) for one in view.objects(self.of)]
        fits = torch.stack([_fits(each, of) for each, of in zip(view.maps[:, 0].cpu(), boxes, strict=True)]).unsqueeze(
            1
        )
        view.keep("fits", fits)
        view.keep("half", (view.stream("halves").uniform(1) < 0.5).double())
        return self.stated(view, _right(fits[..., BEFORE]).to(view.maps.device))

    @staticmethod
    def refine(numbers: Sequence[Mapping[str, Any]]) -> list[float]:
        """The value of each photograph, at the thresholds that are best for the other half."""
        fits = torch.tensor([each["fits"] for each in numbers], dtype=torch.float64)
        half = torch.tensor([each["half"] for each in numbers]) > 0
        right = torch.stack([fits >= level for level in LEVELS], 1).double()
        values = torch.empty(len(fits), dtype=torch.float64)
        for chosen in (half, ~half):
            others = right[~chosen] if bool((~chosen).any()) else right
            best = others.mean(0).argmax(1)
            values[chosen] = right[chosen][:, range(len(LEVELS)), best].mean(1)
        return values.tolist()


def _right(fits: Tensor) -> Tensor:
    return torch.stack([fits >= level for level in LEVELS]).double().mean(0)


def _fits(saliency: Tensor, boxes: Boxes) -> Tensor:
    """By threshold, the best intersection over union of a box around a connected part of a map (H, W) with an object's."""
    values = saliency.double().numpy()
    if values.min() == values.max():
        return torch.full((COUNT,), best_iou(frame_of(values.shape), boxes), dtype=torch.float64)
    fits = [best_iou(_around(values > threshold / COUNT), boxes) for threshold in range(COUNT)]
    return torch.tensor(fits, dtype=torch.float64)


def _around(places: NDArray[np.bool_]) -> Boxes:
    """The box of each connected part."""
    from scipy import ndimage

    labels, count = ndimage.label(places, np.ones((3, 3)))
    rows, columns = places.nonzero()
    part = labels[rows, columns] - 1
    first, last = np.full((2, count), places.size), np.zeros((2, count), int)
    for axis, at in enumerate((columns, rows)):
        np.minimum.at(first[axis], part, at)
        np.maximum.at(last[axis], part, at + 1)
    return np.concatenate([first, last]).T.astype(np.float64)


@hookimpl
def xaikit_metric() -> type:
    return MaxBoxAcc
