"""KernelSHAP: Shapley values of the parts of a photograph by weighted least squares (Lundberg and Lee 2017, arXiv:1705.07874)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from math import comb
from typing import Any, ClassVar

import torch
from torch import Tensor

from xaikit import hookimpl
from xaikit.view import View
from xaikit_inputs._coalitions import Coalitions, solved


@dataclass(frozen=True)
class KernelShap(Coalitions):
    """phi = argmin sum_z pi(z) (y(z) - y(0) - sum_j phi_j z_j)^2 with sum_j phi_j = y(x) - y(0) and
    pi(z) = (M - 1) / (C(M, |z|) |z| (M - |z|)) (Theorem 2); L is phi of the cell that a place lies in.

    Where all choices are no more than ``samples`` each is scored once, and phi are the Shapley values exactly. Else their sizes
    are drawn by what the kernel gives a size, and which cells by chance, each choice together with its opposite.

    Cost: ``samples`` + 2 scores a photograph, whatever the number of targets.
    Fails: a cell that is not there is replaced by something, and what the model makes of that is in every value.
    Peers: Captum's KernelShap, which draws from the global generator and solves with scikit-learn; equal where all are scored.
    """

    examples: ClassVar[tuple[dict[str, Any], ...]] = (
        {"samples": 20, "cells": 2},
        {"samples": 8, "cells": 3},
        {"samples": 20, "cells": 2, "baseline": "uniform"},
    )

    def explain(self, view: View) -> Tensor:
        """The raw map (N, T, *S)."""
        labels = self.labels(tuple(view.shape[2:]))
        count = int(labels.max()) + 1
        choices, weights = self._choices(view, count)
        ends = torch.stack([torch.zeros(count, dtype=torch.bool), torch.ones(count, dtype=torch.bool)])
        scores = self.scored(view, labels, torch.cat([ends.expand(len(choices), 2, count), choices], 1)).double()
        empty, whole, values = scores[..., :1], scores[..., 1:2], scores[..., 2:]
        # the last cell takes what the others leave of the whole, so that they sum to it
        there = choices.to(scores)
        last = there[..., -1:]
        phi = solved(there[..., :-1] - last, values - empty - (whole - empty) * last.mT, weights.to(scores))
        phi = torch.cat([phi, whole - empty - phi.sum(2, keepdim=True)], 2)
        return phi[..., labels.to(phi.device)].to(view.scores.dtype)

    def _choices(self, view: View, count: int) -> tuple[Tensor, Tensor]:
        """Which cells are there, (N, choices, count), and how much each choice weighs, (N, choices)."""
        rows = view.shape[0]
        if count <= 20 and 2**count - 2 <= self.samples:
            every = torch.tensor(list(product((False, True), repeat=count))[1:-1])
            weights = torch.tensor([1 / (comb(count, size) * size * (count - size)) for size in every.sum(1).tolist()])
            return every.expand(rows, *every.shape), weights.double().expand(rows, len(weights))
        pairs = -(-self.samples // 2)
        sizes = torch.arange(1, count)
        mass = (1 / (sizes * (count - sizes)).double()).cumsum(0)
        drawn = view.generator.uniform(pairs).double().cpu() * mass[-1]
        size = torch.searchsorted(mass, drawn, right=True).clamp(max=count - 2) + 1
        order = view.generator.uniform(pairs, count).cpu().argsort(2).argsort(2)
        chosen = order < size.unsqueeze(2)
        both = torch.cat([chosen, ~chosen], 1)[:, : self.samples]
        return both, torch.ones(both.shape[:2], dtype=torch.double)


@hookimpl
def xaikit_method() -> type:
    return KernelShap
