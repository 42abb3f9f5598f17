"""How alike two maps are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import avg_pool1d, avg_pool2d, avg_pool3d

from xaikit.metric import MetricView

Similarity = Literal["spearman", "ssim"]
"""What alike means::

    spearman  the correlation of ranks, ties in the middle
    ssim      structural similarity in windows of 7 (Wang et al. 2004), each map in units of its range
"""

WINDOW = 7
_POOLS: Mapping[int, Callable[..., Tensor]] = {1: avg_pool1d, 2: avg_pool2d, 3: avg_pool3d}


def similarity(kind: Similarity, one: Tensor, other: Tensor) -> Tensor:
    """Of maps (N, T, *S) with others, (N, T): from -1 to 1; NaN where one of them is constant."""
    similar = _SIMILARITIES[kind](one.double(), other.double())
    return torch.where(is_constant(one) | is_constant(other), torch.nan, similar).to(one)


def is_constant(maps: Tensor) -> Tensor:
    """Which maps (N, T, *S) say nothing, (N, T)."""
    flat = maps.flatten(2)
    return flat.amax(2) == flat.amin(2)


def without_constant(view: MetricView, absolute: bool) -> Tensor:
    """The maps that are compared, with a reason where there is nothing to compare."""
    maps = view.maps.abs() if absolute else view.maps
    view.undefined("the map is constant", is_constant(maps))
    return maps


def spearman(one: Tensor, other: Tensor) -> Tensor:
    """The correlation of the ranks, (N, T)."""
    first, second = (_centred_ranks(maps) for maps in (one, other))
    correlation: Tensor = (first * second).sum(2) / (first.norm(dim=2) * second.norm(dim=2))
    return correlation


def _centred_ranks(maps: Tensor) -> Tensor:
    """The ranks of places, their mean taken off, (N, T, places); NaN where a place has no value."""
    flat = maps.flatten(2).contiguous()
    ordered = flat.sort(2).values
    ranks = (torch.searchsorted(ordered, flat) + torch.searchsorted(ordered, flat, right=True)).to(flat)
    centred = ranks - ranks.mean(2, keepdim=True)
    return torch.where(flat.isfinite().all(2, keepdim=True), centred, torch.nan)


def ssim(one: Tensor, other: Tensor) -> Tensor:
    """The mean structural similarity of maps in units of their range, (N, T)."""
    x, y = (_in_range(maps) for maps in (one, other))
    pool, sides = _POOLS[x.dim() - 2], [min(WINDOW, side) for side in x.shape[2:]]
    count = 1
    for side in sides:
        count *= side
    mean_x, mean_y = pool(x, sides, 1), pool(y, sides, 1)
    unbiased = count / max(count - 1, 1)
    var_x, var_y, both = (
        unbiased * (pool(a * b, sides, 1) - c * d)
        for a, b, c, d in ((x, x, mean_x, mean_x), (y, y, mean_y, mean_y), (x, y, mean_x, mean_y))
    )
    light, contrast = 0.01**2, 0.03**2
    above = (2 * mean_x * mean_y + light) * (2 * both + contrast)
    return (above / ((mean_x**2 + mean_y**2 + light) * (var_x + var_y + contrast))).flatten(2).mean(2)


def _in_range(maps: Tensor) -> Tensor:
    flat = maps.flatten(2)
    low, high = flat.amin(2, keepdim=True), flat.amax(2, keepdim=True)
    return ((flat - low) / torch.where(high == low, 1, high - low)).reshape(maps.shape)


_SIMILARITIES: Mapping[Similarity, Callable[[Tensor, Tensor], Tensor]] = {"spearman": spearman, "ssim": ssim}
