"""Which axis of a tensor is which of another, told by the gradients of numbered places.

Let c be the number of a place along one axis of a tensor t, and v random and the same along that axis. At a tensor s that t
was made of, the gradients of sum(v t) and of sum(c v t) differ by a factor: by the number of the one place that a cell of s
went to, whatever permuted, cut, merged or padded on the way. Where places were mixed it is another one in each channel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from xaikit._numeric import differentiate, on_host

BASE = 8
"""Of the digits that exact numbers are told by: a digit is right also in half precision."""


MIXED = 0.02
"""The share of the range of numbers that channels of one cell may differ by: rounding, and no mixing."""


WHOLE = 0.2
"""How far a digit may be from a whole number."""


@dataclass(frozen=True)
class Source:
    """A tensor of which is known which axis is what.

    channels  their axis; None where there is none
    cells     the axes of places, in the order of the input's
    turn      its place among all that was recorded of the forward
    """

    tensor: Tensor
    channels: int | None
    cells: tuple[int, ...]
    turn: int = 0


@dataclass(frozen=True)
class Numbers:
    """The numbers of the places of a target along one of its axes that the cells of a source went to.

    values  by cell, NaN where a cell went nowhere
    mixed   whether no number holds for all channels of a cell
    """

    values: Tensor
    mixed: bool

    def varies(self, axis: int) -> bool:
        """Whether the number changes along an axis of the cells."""
        return bool(self._spread(axis).max() > 0.5)

    def ascends(self, axis: int) -> bool:
        """Whether it grows along an axis."""
        line = self.values.movedim(axis, 0).reshape(self.values.shape[axis], -1).nanmedian(1).values
        line = line[~line.isnan()]
        return bool((line.diff() >= -0.01).all())

    def _spread(self, axis: int) -> Tensor:
        known = ~self.values.isnan()
        low = self.values.masked_fill(~known, torch.inf).amin(axis)
        return (self.values.masked_fill(~known, -torch.inf).amax(axis) - low).masked_fill(~known.any(axis), 0)


def numbers(target: Tensor, axis: int, sources: Sequence[Source]) -> list[Numbers | None]:
    """For every source where the places of a target along one axis came from; None where the target is not made of it."""
    count = target.shape[axis]
    found = _fitted(target, axis, torch.linspace(0, 1, count), sources)
    return [
        None if fit is None else Numbers(fit[0] * (count - 1), bool(fit[1] > MIXED or fit[0].isnan().all()))
        for fit in found
    ]


def exact_numbers(target: Tensor, axis: int, source: Source) -> Tensor | None:
    """The same as whole numbers; None where some cell went to more than one place."""
    count = target.shape[axis]
    values = None
    for power in range(max(1, math.ceil(math.log(count, BASE) - 1e-9))):
        digits = torch.arange(count) // BASE**power % BASE
        (fit,) = _fitted(target, axis, digits.double(), [source])
        if fit is None or bool((fit[0] - fit[0].round()).abs().nan_to_num().max() > WHOLE):
            return None
        values = fit[0].round() * BASE**power + (0 if values is None else values)
    return values


def _fitted(
    target: Tensor, axis: int, coordinate: Tensor, sources: Sequence[Source]
) -> list[tuple[Tensor, Tensor] | None]:
    """The coordinate that fits all channels of a cell best, and the largest misfit."""
    weight = weights_of(target, axis)
    shape = [-1 if one == axis else 1 for one in range(target.dim())]
    tensors = [source.tensor for source in sources]
    even = differentiate(target, tensors, weight, retain_graph=True, allow_unused=True)
    coordinate = coordinate.to(target).view(shape)
    numbered = differentiate(target, tensors, weight * coordinate, retain_graph=True, allow_unused=True)
    fits = [
        None if one is None or other is None else _fit(_precise(one), _precise(other), source)
        for one, other, source in zip(even, numbered, sources, strict=True)
    ]
    # much is decided by these numbers, and each decision would wait for a device
    copies = iter(on_host([number for fit in fits if fit is not None for number in fit]))
    return [None if fit is None else (next(copies), next(copies)) for fit in fits]


def _precise(gradient: Tensor) -> Tensor:
    """In float64, which MPS has none of."""
    return (gradient.cpu() if gradient.device.type == "mps" else gradient).double()


def _fit(even: Tensor, numbered: Tensor, source: Source) -> tuple[Tensor, Tensor]:
    others = tuple(axis for axis in range(even.dim()) if axis not in source.cells)
    power = even.square().sum(others, keepdim=True)
    gone = power <= 1e-12 * power.max()
    best = (even * numbered).sum(others, keepdim=True) / power.masked_fill(gone, 1)
    misfit = ((numbered - best * even).square().sum(others, keepdim=True) / power.masked_fill(gone, 1)).sqrt()
    ordered = [*source.cells, *others]
    values = best.masked_fill(gone, torch.nan).permute(ordered).flatten(len(source.cells)).squeeze(-1)
    return values, misfit.masked_fill(gone, 0).max()


def weights_of(target: Tensor, axis: int) -> Tensor:
    """Positive and random, the same along the axis."""
    generator = torch.Generator().manual_seed(0)
    weight = torch.ones((), dtype=target.dtype, device=target.device)
    for other, side in enumerate(target.shape):
        random = torch.rand(side, generator=generator).to(target) + 0.5
        shape = [-1 if one == other else 1 for one in range(target.dim())]
        weight = weight * (torch.ones_like(random) if other == axis else random).view(shape)
    return weight


def is_made_of(target: Tensor, tensor: Tensor) -> bool:
    """Whether a tensor is another one, or depends on it: queries that only attend to it do not."""
    if target is tensor or not target.requires_grad:
        return target is tensor
    (gradient,) = differentiate(target, tensor, weights_of(target, 1), retain_graph=True, allow_unused=True)
    return gradient is not None and bool(gradient.any())
