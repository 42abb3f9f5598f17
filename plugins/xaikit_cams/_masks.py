"""What Score-CAM and its kin share: channels as masks at the input's size, weights from what masked inputs score, and
linear maps along the axes of space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from xaikit import ConfigError
from xaikit.method import one_of
from xaikit.ops import MODES, weigh
from xaikit.view import Make, View

Masks = Literal["upsample_first", "normalize_first"]


def check_masks(masks: str, top_channels: int | None) -> None:
    """Raises ValueError unless these two options are what they may be."""
    one_of("masks", masks, get_args(Masks))
    check_top(top_channels)


def check_top(top_channels: int | None) -> None:
    """Raises ValueError for less than one channel."""
    if top_channels is not None and top_channels < 1:
        raise ValueError(f"top_channels: expected at least 1 or none, got {top_channels}")


def upsampled(maps: Tensor, size: tuple[int, ...]) -> Tensor:
    """Linearly, between the centres of cells: (N, M, *S) to (N, M, *size)."""
    if maps.dim() - 2 != len(size):
        raise ConfigError(
            f"layers: expected a layer with the input's {len(size)} dimensions of space, got {maps.dim() - 2}: "
            "its channels cannot mask the input; choose another layer"
        )
    return interpolate(maps, size=size, mode=MODES[len(size)], align_corners=False)


def bounds(maps: Tensor) -> tuple[Tensor, Tensor]:
    """The minimum of each map and what it is to be divided by, (N, M, 1, ...): 1 for a constant one."""
    space = tuple(range(2, maps.dim()))
    low = maps.amin(space, keepdim=True)
    span = maps.amax(space, keepdim=True) - low
    return low, span.where(span != 0, 1)


def stretched(maps: Tensor) -> Tensor:
    """Each map between its minimum and maximum; a constant one is zero."""
    low, span = bounds(maps)
    return (maps - low) / span


def live_channels(view: View, most: int | None) -> tuple[Tensor, Tensor]:
    """Which channels mask, most varied first, ``most`` of them, and whether they vary at all: (N, K) twice."""
    maps = view.activations.squeeze(1).flatten(2)
    varied = maps.amax(2) > maps.amin(2)
    spread = maps.std(2, correction=0).masked_fill(~varied, -1)
    order = spread.argsort(dim=1, descending=True, stable=True)
    # the one number that is waited for: it saves a whole pass for every channel that is constant in all samples
    count = int(varied.sum(1).amax())
    # at least one, so that there is something to score
    order = order[:, : max(1, min(count, most or count))]
    return order, varied.gather(1, order)


def chosen_maps(view: View, channels: Tensor) -> Tensor:
    """The activations of some channels, (N, m) to (N, m, *S)."""
    maps = view.activations.squeeze(1)
    return maps[torch.arange(len(maps), device=maps.device).unsqueeze(1), channels]


def masks_of(view: View, channels: Tensor, order: Masks) -> Tensor:
    """The masks of some channels, (N, m) to (N, m, *space of the image)."""
    maps = chosen_maps(view, channels)
    size = tuple(view.image.shape[2:])
    if order == "upsample_first":
        return stretched(upsampled(maps, size))
    return upsampled(stretched(maps), size)


def shares(scores: Tensor, live: Tensor) -> Tensor:
    """The softmax over the live channels, (N, T, K); others weigh 0."""
    live = live.unsqueeze(1)
    # a sample without a live channel has no softmax: its weights are 0 all the same
    return scores.masked_fill(~live, -torch.inf).softmax(2).masked_fill(~live, 0)


def weigh_chosen(weights: Tensor, chosen: Tensor, view: View) -> Tensor:
    """Activations summed with the weights of the chosen channels, (N, T, K), to the raw map (N, T, *S)."""
    samples, targets, _ = weights.shape
    everywhere = weights.new_zeros(samples, targets, view.activations.shape[2])
    return weigh(everywhere.scatter(2, chosen.unsqueeze(1).expand_as(weights), weights), view)


def confidences(view: View, count: int, make: Make) -> Tensor:
    """The probabilities of the class for variants, (N, T, count); of a target that is no class, its scores."""
    if view.has_probability:
        return view.rescore(count, make, probabilities=True)
    scores = view.rescore(count, make)
    view.warn("this target has no probability: its scores weigh instead", torch.ones_like(scores[:, :, :1]))
    return scores


def along(maps: Tensor, matrices: Sequence[Tensor]) -> Tensor:
    """A matrix (out, in) for each axis of space, the last ones of the maps."""
    first = maps.dim() - len(matrices)
    for axis, matrix in enumerate(matrices, first):
        maps = (maps.movedim(axis, -1) @ matrix.to(maps).mT).movedim(-1, axis)
    return maps


def interpolating(old: int, new: int) -> Tensor:
    """Linear interpolation between the centres of cells, (new, old).

    Places are whole numbers of 1 / (2 new), so that a place on a centre gets the value there and nothing of the next.
    """
    place = ((2 * torch.arange(new) + 1) * old - new).clamp_min(0)
    low = place // (2 * new)
    high = (low + 1).clamp_max(old - 1)
    # nothing of the next where there is none: two shares of one value need not add up to it
    share = (place % (2 * new)).double() / (2 * new) * (high > low)
    cells = torch.arange(old)
    below, above = (cells == end.unsqueeze(1) for end in (low, high))
    return below * (1 - share).unsqueeze(1) + above * share.unsqueeze(1)


def smoothing(side: int, radius: int, sigma: float) -> Tensor:
    """A Gaussian cut off beyond the radius, (side, side), mirrored at the borders; the radius is less than the side."""
    reach = min(radius, side - 1)
    offsets = torch.arange(-reach, reach + 1)
    kernel = (-offsets.double().square() / (2 * sigma**2)).exp()
    places = (torch.arange(side).unsqueeze(1) + offsets).abs()
    places = side - 1 - (side - 1 - places).abs()
    rows = torch.zeros(side, side, dtype=torch.float64)
    return rows.scatter_add(1, places, (kernel / kernel.sum()).expand(side, -1))
