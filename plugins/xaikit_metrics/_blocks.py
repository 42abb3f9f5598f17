"""Places of a map in blocks, and blocks in order: what is removed together, and when."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from xaikit.metric import MetricView

STEPS = 2**20
"""Values are told apart to so many steps of the largest: equal ones are then equal whatever the order of a sum."""


@dataclass(frozen=True)
class Blocks:
    """The blocks of a space.

    of     the block of each place, (*S)
    count  of them
    """

    of: Tensor
    count: int

    def mean(self, maps: Tensor) -> Tensor:
        """The mean of maps (N, *S) in each block, (N, count)."""
        flat, index = maps.flatten(1), self.of.flatten()
        sums = torch.zeros(len(maps), self.count, device=maps.device, dtype=maps.dtype).index_add_(1, index, flat)
        return sums / torch.bincount(index, minlength=self.count).to(maps)

    def spread(self, values: Tensor) -> Tensor:
        """A value a block, (..., count), as one a place, (..., *S)."""
        return values[..., self.of]


def blocks_of(space: tuple[int, ...], side: int, device: torch.device) -> Blocks:
    """Blocks of ``side`` pixels along every axis, smaller ones at the far edges."""
    index = torch.zeros(space, dtype=torch.long, device=device)
    for axis, size in enumerate(space):
        places = torch.arange(size, device=device) // side
        index = index * math.ceil(size / side) + places.reshape([-1 if at == axis else 1 for at in range(len(space))])
    return Blocks(index, math.prod(math.ceil(size / side) for size in space))


def ranked(values: Tensor, view: MetricView) -> Tensor:
    """The rank of each value (N, count), 0 for the highest; ties are broken at random, by the seed and the photograph, and the
    share of values that have an equal is kept as ``ties``."""
    steps = stepped(values)
    noise = view.stream("ties").uniform(values.shape[1])
    shuffled = noise.argsort(1)
    order = shuffled.gather(1, steps.gather(1, shuffled).argsort(dim=1, descending=True, stable=True))
    view.keep("ties", _ties(steps).unsqueeze(1))
    places = torch.arange(values.shape[1], device=values.device).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, places)


def stepped(values: Tensor) -> Tensor:
    """Values (..., count) in whole steps, so that equal ones are equal."""
    largest = values.abs().amax(-1, keepdim=True)
    return (values / largest.masked_fill(largest == 0, 1) * STEPS).round()


def _ties(steps: Tensor) -> Tensor:
    """The share of values that are equal to another, (N,)."""
    ordered = steps.sort(1).values
    equal = ordered[:, 1:] == ordered[:, :-1]
    nothing = equal.new_zeros(len(equal), 1)
    return (torch.cat([nothing, equal], 1) | torch.cat([equal, nothing], 1)).double().mean(1).to(steps)
