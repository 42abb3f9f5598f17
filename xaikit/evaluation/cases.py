"""Cases: one stored map of one photograph for one target, ready to be judged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from xaikit.evaluation.policies import at_input, blurred, digest_of, is_constant, settled
from xaikit.method import parts_of
from xaikit.store.maps import Array

BLURRED = "blurred"


@dataclass(frozen=True, eq=False)
class Case:
    """One map.

    sample    the photograph, by its row in the batch
    place     of the target among the pinned ones
    column    of the map on the axis of targets
    raws      as the method made them, (*s), one a layer
    saliency  the same at the size of the input, (*S), in float64
    constant  whether it says nothing
    finite    whether every number of it is
    row       of the store
    control   "" for the map itself, or what it was turned into to be a control
    """

    sample: int
    place: int
    column: int
    raws: tuple[Tensor, ...]
    saliency: Tensor
    constant: bool
    finite: bool
    row: Mapping[str, Any]
    control: str = ""

    @property
    def photograph(self) -> tuple[int, int, int]:
        """Equal for cases of one photograph and target, whatever their maps."""
        return self.sample, self.place, self.column

    @cached_property
    def made(self) -> tuple[Any, ...]:
        """Equal for equal maps of a method."""
        return tuple((tuple(raw.shape), digest_of(raw)) for raw in self.raws)

    @cached_property
    def identity(self) -> tuple[Any, ...]:
        """Equal for cases that a metric which explains nothing again need judge once: all that it may read of them is."""
        return *self.photograph, digest_of(self.saliency), self.made


@dataclass(frozen=True, eq=False)
class StoredMaps:
    """The maps of one photograph by one evidence: a row a column, and the arrays (T, *s) of its layers."""

    sample: int
    place: int
    rows: Sequence[Mapping[str, Any]]
    arrays: Sequence[Array]


def cases_of(stored: Iterable[StoredMaps], space: tuple[int, ...], device: torch.device) -> list[Case]:
    """The cases of stored maps."""
    cases: list[Case] = []
    for each in stored:
        tensors = [settled(torch.from_numpy(array)).to(device) for array in each.arrays]
        maps = at_input(tensors, space)
        for row in each.rows:
            column = int(row["column"])
            raws = tuple(tensor[column].float() for tensor in tensors)
            cases.append(_case(each, column, raws, maps[column], row))
    return cases


def _case(stored: StoredMaps, column: int, raws: tuple[Tensor, ...], saliency: Tensor, row: Mapping[str, Any]) -> Case:
    finite = bool(saliency.isfinite().all())
    constant = bool(is_constant(saliency.unsqueeze(0)))
    return Case(stored.sample, stored.place, column, raws, saliency, constant, finite, row)


def blurred_copy(case: Case) -> Case:
    """The control that knows where a map is large and not how: what beats it knows more."""
    saliency = blurred(case.saliency.unsqueeze(0))[0]
    raws = tuple(blurred(raw.unsqueeze(0))[0] for raw in case.raws)
    return replace(case, raws=raws, saliency=saliency, control=BLURRED)


def has_target(method: Any) -> bool:
    """Whether the columns of a method's maps are targets: not those of one that puts parts of its own there."""
    return parts_of(method) == 0
