"""KernelSHAP: Shapley values of the parts of a photograph by weighted least squares (Lundberg and Lee 2017, arXiv:1705.07874)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product, repeat
from math import comb
from typing import Any, ClassVar

import torch
from torch import Tensor

from xaikit import hookimpl
from xaikit.view import View
from xaikit_inputs._coalitions import Choices, Coalitions, solved


@dataclass(frozen=True)
class KernelShap(Coalitions):
    """phi = argmin sum_z pi(z) (y(z) - y(0) - sum_j phi_j z_j)^2 with sum_j phi_j = y(x) - y(0) and
    pi(z) = (M - 1) / (C(M, |z|) |z| (M - |z|)) (Theorem 2); L is phi of the part that a place lies in.

    Where all choices are no more than ``samples`` each is scored once, and phi are the Shapley values exactly. Else their sizes
    are drawn by what the kernel gives a size, and which parts by chance, each choice together with its opposite.

    Cost: ``samples`` + 2 scores a photograph, or 2^M where all choices are scored, whatever the number of targets.
    Fails: a part that is not there is replaced by something, and what the model makes of that is in every value.
    Peers: Captum's KernelShap, which draws from the global generator and solves with scikit-learn; equal where all are scored.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"samples": 20, "cells": 2},
        {"samples": 8, "cells": 3},
        {"samples": 20, "cells": 2, "baseline": "uniform"},
        {"samples": 12, "cells": 2, "segments": "slic"},
    )

    def further(self, channels: int, places: int) -> int:
        """Further scores a sample, for the plan; of a grid those of a picture, along two axes."""
        parts = min(self.cells**2, places)
        return 2**parts if self.segments == "grid" and self._may_be_all(parts) else self.samples + 2

    def choices(self, view: View, counts: Sequence[int], most: int) -> list[Choices]:
        """Nothing, all, and then those of each photograph."""
        pairs = -(-self.samples // 2)
        drawn: Iterable[tuple[Tensor, Tensor] | None] = repeat(None)
        if not self._may_be_all(most):
            # also of photographs whose choices are all scored: what one draws depends on no other
            numbers = view.generator.uniform(pairs).cpu(), view.generator.uniform(pairs, most).cpu()
            drawn = zip(*numbers, strict=True)
        return [self._of_one(count, numbers) for count, numbers in zip(counts, drawn, strict=False)]

    def _of_one(self, count: int, numbers: tuple[Tensor, Tensor] | None) -> Choices:
        chosen = self._all(count) if numbers is None or self._may_be_all(count) else self._drawn(count, *numbers)
        ends = torch.arange(2).bool().unsqueeze(1).expand(2, count)
        return Choices(torch.cat([ends, chosen.there]), chosen.weights)

    def fitted(self, choices: Choices, scores: Tensor) -> Tensor:
        """Shapley values of the parts, (T, parts)."""
        empty, whole, values = scores[:, :1], scores[:, 1:2], scores[:, 2:]
        there = choices.there[2:].double()
        # the last part takes what the others leave of the whole, so that they sum to it
        last = there[:, -1:]
        phi = solved(there[:, :-1] - last, values - empty - (whole - empty) * last.mT, choices.weights)
        return torch.cat([phi, whole - empty - phi.sum(1, keepdim=True)], 1)

    def _may_be_all(self, count: int) -> bool:
        return count <= 20 and 2**count - 2 <= self.samples

    def _all(self, count: int) -> Choices:
        every = torch.tensor(list(product((False, True), repeat=count))[1:-1]).reshape(-1, count)
        weights = [1 / (comb(count, size) * size * (count - size)) for size in every.sum(1).tolist()]
        return Choices(every.bool(), torch.tensor(weights, dtype=torch.double))

    def _drawn(self, count: int, of_size: Tensor, of_parts: Tensor) -> Choices:
        """Choices by uniform numbers (pairs,) and (pairs, count or more)."""
        sizes = torch.arange(1, count)
        mass = (1 / (sizes * (count - sizes)).double()).cumsum(0)
        size = torch.searchsorted(mass, of_size.double() * mass[-1], right=True).clamp(max=count - 2) + 1
        chosen = of_parts[:, :count].argsort(1).argsort(1) < size.unsqueeze(1)
        both = torch.cat([chosen, ~chosen])[: self.samples]
        return Choices(both, torch.ones(len(both), dtype=torch.double))


@hookimpl
def xaikit_method() -> type:
    return KernelShap
