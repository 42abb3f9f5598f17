"""How two rows of numbers go together."""

from __future__ import annotations

import torch
from torch import Tensor


def pearson(first: Tensor, second: Tensor) -> Tensor:
    """The correlation of rows (N, K), (N,); NaN where one of the two is constant."""
    centred = [values.double() - values.double().mean(1, keepdim=True) for values in (first, second)]
    constant = (first == first[:, :1]).all(1) | (second == second[:, :1]).all(1)
    product = (centred[0] * centred[1]).sum(1)
    correlation: Tensor = product / (centred[0].norm(dim=1) * centred[1].norm(dim=1))
    return correlation.masked_fill(constant, torch.nan).clamp(-1, 1)


def spearman(first: Tensor, second: Tensor) -> Tensor:
    """The same of ranks, equal values in the middle of theirs; NaN where a value is."""
    return pearson(_ranks(first), _ranks(second))


def levels(values: Tensor, step: Tensor) -> Tensor:
    """Values (N, K) in whole multiples of a step (N, 1): those that differ by rounding alone are equal."""
    return (values / torch.where(step > 0, step, 1)).round()


def is_constant(values: Tensor, step: Tensor) -> Tensor:
    """Which rows (N, K) reach no further than a step (N,)."""
    return values.amax(1) - values.amin(1) <= step


def _ranks(values: Tensor) -> Tensor:
    pairs = values.unsqueeze(2) - values.unsqueeze(1)
    ranks = (pairs > 0).sum(2) + (pairs == 0).sum(2) / 2
    # what is NaN is neither above nor below, and must not pass for the lowest
    return ranks.masked_fill(values.isnan().any(1, keepdim=True), torch.nan)
