"""Places of a map in blocks, and blocks in order: what is removed together, and when."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from xaikit.metric import MetricView

STEPS = 2**20
"""Values are told apart to so many steps of the largest: equal ones are then equal whatever the order of a sum."""


@dataclass(frozen=True)
class Blocks:
    """The blocks of a space.

    of     the block of each place, (N, *S), or (1, *S) where all photographs are divided alike
    count  of them, of the photograph that has most
    """

    of: Tensor
    count: int

    @cached_property
    def sizes(self) -> Tensor:
        """Places of each block, (N or 1, count); 0 for one that a photograph does not have."""
        return self.sum(torch.ones_like(self.of))

    @property
    def present(self) -> Tensor:
        """Which blocks a photograph has, (N or 1, count)."""
        return self.sizes > 0

    def sum(self, maps: Tensor) -> Tensor:
        """The sum of maps (N, *S) in each block, (N, count)."""
        flat, index = maps.flatten(1).double(), self.of.flatten(1).expand(len(maps), -1)
        return flat.new_zeros(len(maps), self.count).scatter_add_(1, index, flat)

    def mean(self, maps: Tensor) -> Tensor:
        """The mean of maps (N, *S) in each block, (N, count); 0 of an absent one."""
        return self.sum(maps) / self.sizes.clamp(min=1)

    def spread(self, values: Tensor) -> Tensor:
        """A value a block, (N, m, count), as one a place, (N, m, *S)."""
        index = self.of.flatten(1).unsqueeze(1).expand(len(values), values.shape[1], -1)
        return values.gather(2, index).reshape(*values.shape[:2], *self.of.shape[1:])


def blocks_of(space: tuple[int, ...], side: int, device: torch.device) -> Blocks:
    """Blocks of ``side`` pixels along every axis, smaller ones at the far edges."""
    index = torch.zeros(space, dtype=torch.long, device=device)
    for axis, size in enumerate(space):
        places = torch.arange(size, device=device) // side
        index = index * math.ceil(size / side) + places.reshape([-1 if at == axis else 1 for at in range(len(space))])
    return Blocks(index.unsqueeze(0), math.prod(math.ceil(size / side) for size in space))


def ranked(blocks: Blocks, maps: Tensor, view: MetricView) -> Tensor:
    """The rank of each block by the mean of maps (N, *S) in it, (N, count), 0 for the highest, absent ones behind all others;
    ties are broken at random, by the seed and the photograph, and the share of blocks that have an equal is kept as ``ties``."""
    steps = stepped(blocks.mean(maps)).masked_fill(~blocks.present, -2 * STEPS)
    noise = view.stream("ties").uniform(blocks.count)
    shuffled = noise.argsort(1)
    order = shuffled.gather(1, steps.gather(1, shuffled).argsort(dim=1, descending=True, stable=True))
    present = blocks.present.expand_as(order).gather(1, order)
    ties = (_tied(steps) & present).sum(1) / present.sum(1)
    view.keep("ties", ties.unsqueeze(1))
    places = torch.arange(blocks.count, device=order.device).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, places)


def stepped(values: Tensor) -> Tensor:
    """Values (..., count) in whole steps, so that equal ones are equal."""
    largest = values.abs().amax(-1, keepdim=True)
    return (values / largest.masked_fill(largest == 0, 1) * STEPS).round()


def _tied(steps: Tensor) -> Tensor:
    """Whether a value is equal to another, (N, count), from the highest to the lowest."""
    ordered = steps.sort(1, descending=True).values
    equal = ordered[:, 1:] == ordered[:, :-1]
    nothing = equal.new_zeros(len(equal), 1)
    return torch.cat([nothing, equal], 1) | torch.cat([equal, nothing], 1)
