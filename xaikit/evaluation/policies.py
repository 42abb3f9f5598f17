"""From the raw maps of a case to the one map that a metric judges; see :data:`xaikit.metric.Policy`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from xaikit import ops
from xaikit._numeric import MODES
from xaikit.metric import Policy

BLUR = 0.05
"""The standard deviation of a blurred copy, as a share of each side."""


def at_input(raws: Sequence[Tensor], space: tuple[int, ...]) -> Tensor:
    """Raw maps (N, *s), one a layer, as one at the size of the input, (N, *space): the map itself of one layer, in its units; of
    several the mean of all, each in units of its largest magnitude. In float64, where a factor changes no order."""
    resized = [_resized(raw.double(), space) for raw in raws]
    if len(resized) == 1:
        return resized[0]
    return torch.stack([each / _largest(each) for each in resized]).mean(0)


SHAPE, UNIT = 2.0**18, 2.0**14

STEPS = 2.0**30
"""Values are ranked in so many steps of the largest magnitude: those that rounding alone tells apart are equal."""


def settled(maps: Tensor) -> Tensor:
    """Raw maps (T, *s), in float64, without the last digits, in which those differ that are equal by theory: the largest
    magnitude to 14 bits, and every value to 18 bits of it. Storing has rounded more, and equal maps get equal values."""
    maps = maps.double()
    largest = _largest(maps)
    mantissa, exponent = torch.frexp(largest)
    unit = torch.ldexp((mantissa * UNIT).round() / UNIT, exponent)
    return (maps / largest * SHAPE).round() / SHAPE * unit


def _resized(raw: Tensor, space: tuple[int, ...]) -> Tensor:
    if tuple(raw.shape[1:]) == space:
        return raw
    return interpolate(raw.unsqueeze(1), size=space, mode=MODES[len(space)], align_corners=False).squeeze(1)


def _largest(maps: Tensor) -> Tensor:
    largest = maps.flatten(1).abs().amax(1)
    return largest.masked_fill(largest == 0, 1).reshape(-1, *[1] * (maps.dim() - 1))


def blurred(maps: Tensor) -> Tensor:
    """Maps (N, *S) under a Gaussian, edges repeated."""
    return ops.blurred(maps.unsqueeze(1), BLUR).squeeze(1)


def is_constant(maps: Tensor) -> Tensor:
    """Which of some maps (N, *S) say nothing, (N,)."""
    flat = maps.flatten(1)
    return flat.amax(1) == flat.amin(1)


def digest_of(saliency: Tensor) -> bytes:
    """Equal for equal maps."""
    return hashlib.sha256(saliency.cpu().contiguous().numpy().tobytes()).digest()


def _minmax(maps: Tensor) -> Tensor:
    rectified = maps.clamp(min=0)
    flat = rectified.flatten(1)
    low = flat.amin(1, keepdim=True)
    reach = flat.amax(1, keepdim=True) - low
    return ((flat - low) / reach.masked_fill(reach == 0, 1)).reshape(maps.shape)


def _ranks(maps: Tensor) -> Tensor:
    """The middle of the places that equal values take, from 0 to 1."""
    flat = maps.flatten(1).double()
    last = flat.shape[1] - 1
    ordered, order = (flat / _largest(flat) * STEPS).round().sort(1)
    differs = ordered[:, 1:] != ordered[:, :-1]
    places = torch.arange(last + 1, device=maps.device).expand_as(order)
    ends = torch.ones_like(differs[:, :1])
    first = places.where(torch.cat([ends, differs], 1), 0).cummax(1).values
    final = places.where(torch.cat([differs, ends], 1), last).flip(1).cummin(1).values.flip(1)
    ranks = torch.empty_like(flat).scatter_(1, order, (first + final).to(flat) / (2 * max(last, 1)))
    # no place has a rank where one of them has no value
    return torch.where(flat.isfinite().all(1, keepdim=True), ranks, torch.nan).to(maps).reshape(maps.shape)


_POLICIES: Mapping[Policy, Callable[[Tensor], Tensor]] = {
    "raw": lambda maps: maps.clone(),
    "rectified": lambda maps: maps.clamp(min=0),
    "minmax": _minmax,
    "ranks": _ranks,
}


def judged(maps: Tensor, policy: Policy) -> Tensor:
    """Raw maps at the size of the input, (N, *S), as a policy has them; always a copy."""
    return _POLICIES[policy](maps)
