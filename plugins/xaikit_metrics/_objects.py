"""Where the objects of a photograph are, and what several metrics ask of a map and a place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from xaikit.metric import Annotation, MetricNeeds, MetricView, Objects
from xaikit_metrics._blocks import stepped


@dataclass(frozen=True)
class Localisation:
    """What metrics share that ask whether a map lies on its object. A photograph without one has no value.

    of  which objects count: those of the explained class and of no stated class (target), or all (any)
    """

    of: Objects = "target"

    needs: ClassVar[MetricNeeds] = MetricNeeds(annotations=True)
    family: ClassVar[str] = "localisation"
    suites: ClassVar[frozenset[str]] = frozenset({"full"})
    higher_is_better: ClassVar[bool] = True
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def masks(self, view: MetricView) -> Tensor:
        """Where the objects are, (N, 1, *S) of bool."""
        masks = [one.places(view.shape[2:]) for one in view.objects(self.of)]
        return torch.stack(masks).unsqueeze(1).to(view.maps.device)

    def area(self, view: MetricView) -> Tensor:
        """The share of the frame that the objects take, (N, 1); NaN where there are none."""
        return or_nan(self.masks(view).flatten(2).double().mean(2))

    def stated(self, view: MetricView, values: Tensor) -> Tensor:
        """Values (N, 1), NaN where there is no object, with the reason; keeps how many the crop has cut away as ``lost``."""
        objects, empty = view.objects(self.of), ~self.masks(view).flatten(2).any(2)
        view.keep("lost", torch.tensor([[float(one.lost)] for one in objects]))
        reasons = [_reason(one, every) for one, every in zip(objects, view.objects("any"), strict=True)]
        for reason in dict.fromkeys(reasons):
            where = torch.tensor([[each == reason] for each in reasons], device=empty.device)
            view.undefined(reason, where & empty)
        return torch.where(empty, torch.nan, values)


def _reason(one: Annotation, every: Annotation) -> str:
    """Why there is no object."""
    if every.note:
        return every.note
    if one.mask is None and len(one.boxes):
        return "the object covers the middle of no pixel of the input"
    if len(every.boxes) > len(one.boxes):
        return "no object of the explained class is stated"
    return "the crop has cut all objects away" if every.lost else "no object is stated"


def or_nan(shares: Tensor) -> Tensor:
    """Shares of the frame, NaN for none of it."""
    return torch.where(shares == 0, torch.nan, shares)


def energy(maps: Tensor, masks: Tensor, among: Tensor | None = None) -> Tensor:
    """The share of what is positive in maps (N, T, *S) that lies in masks (N, 1, *S), (N, T): of all places, or of some
    (N, 1, *S). A map that is positive at none of them tells no place from another, and is taken as an equal one."""
    places = torch.ones_like(maps) if among is None else among.to(maps).expand_as(maps)
    positive, places = (maps.clamp(min=0) * places).double().flatten(2), places.double().flatten(2)
    positive = torch.where((positive == 0).all(2, keepdim=True), places, positive)
    return (positive * masks.flatten(2)).sum(2) / positive.sum(2)


def at_least(maps: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    """For each place of maps (N, T, *S), how many have its value or a higher one, and how many of those lie in masks
    (N, 1, *S): both (N, T, places). Equal values are told apart by nothing."""
    steps = stepped(maps.flatten(2))
    inside = masks.flatten(2).expand_as(steps)
    return _not_below(steps, steps), _not_below(steps, torch.where(inside, steps, -torch.inf))


def _not_below(values: Tensor, among: Tensor) -> Tensor:
    """How many of ``among`` are not below each of ``values``, both (N, T, places)."""
    return among.shape[2] - torch.searchsorted(among.sort(2).values, values.contiguous())
