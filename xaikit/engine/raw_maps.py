"""What a method returns at one tap: raw maps, and what it says of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from xaikit.errors import PluginContract
from xaikit.explanation import RemarkCounts


@dataclass(frozen=True)
class RawMaps:
    """What a method returned at one tap, for all targets of a group of requests.

    saliency      (N, T, *S), or (N, 1, *S) where the target plays no part
    remarks       of the method, counted (N, T) or (N, 1)
    pass_remarks  of its further passes, whatever the target, counted (N,)
    numbers       of the method, by name: (N, T) or (N, 1)
    parts         maps that the method puts on the target axis by itself, whatever the target; 0 where it does not
    """

    saliency: Tensor
    remarks: tuple[RemarkCounts, ...]
    pass_remarks: tuple[RemarkCounts, ...]
    numbers: Mapping[str, Tensor] = field(default_factory=dict)
    parts: int = 0

    def of(self, columns: slice) -> RawMaps:
        """The same for some of the targets."""
        if self.parts:
            return self
        return replace(
            self,
            saliency=_columns(self.saliency, columns),
            remarks=tuple(replace(one, counts=_columns(one.counts, columns)) for one in self.remarks),
            numbers={name: _columns(value, columns) for name, value in self.numbers.items()},
        )

    def without(self, padding: Tensor | None) -> RawMaps:
        """The same with NaN, and no remark, where (N, T) a sample has no target."""
        if padding is None:
            return self
        padding = padding.to(self.saliency.device)

        def masked(value: Tensor, fill: float) -> Tensor:
            of_value = padding if value.shape[1] > 1 or fill else padding.all(1, keepdim=True)
            return value.masked_fill(of_value.reshape(*of_value.shape, *[1] * (value.dim() - 2)), fill)

        return replace(
            self,
            saliency=masked(self.saliency, torch.nan),
            remarks=tuple(replace(one, counts=masked(one.counts, 0)) for one in self.remarks),
            numbers={name: masked(value, torch.nan) for name, value in self.numbers.items()},
        )

    def all_remarks(self) -> list[RemarkCounts]:
        """Those of the method, summed over the targets, and those of its passes: counted (N,)."""
        return [*(replace(one, counts=one.counts.sum(1)) for one in self.remarks), *self.pass_remarks]


def _columns(value: Tensor, columns: slice) -> Tensor:
    return value if value.shape[1] == 1 else value[:, columns]


def check_saliency(saliency: object, shape: tuple[int, ...], parts: int) -> None:
    """Refuse what is no map.

    Args:
        shape: (N, T, *S) that is asked for.
        parts: maps that the method puts on the target axis by itself.

    Raises:
        PluginContract: it is no tensor, of complex numbers, or of another shape.
    """
    samples, targets, *space = shape
    allowed = [(samples, parts, *space)] if parts else [(samples, targets, *space), (samples, 1, *space)]
    if not isinstance(saliency, Tensor):
        raise PluginContract(f"explain: expected a tensor, got {type(saliency).__name__}")
    if saliency.is_complex():
        raise PluginContract(f"explain: expected a map of real numbers, got {saliency.dtype}")
    if tuple(saliency.shape) not in allowed:
        raise PluginContract(f"explain: expected a map of shape {allowed[0]}, got {tuple(saliency.shape)}")


def of_numbers(saliency: Tensor, scores: Tensor) -> Tensor:
    """A map (N, T, *S) that is NaN where the score (N, T) that it explains is no number: gradients of ReLUs, and what is blind to
    the input, would not show it. A map that all targets share is one where any of their scores is a number."""
    finite = scores.isfinite()
    if finite.shape[1] != saliency.shape[1]:
        finite = finite.any(1, keepdim=True)
    return torch.where(finite.reshape(*finite.shape, *[1] * (saliency.dim() - 2)), saliency, torch.nan)


def mean_of(raw_maps: Sequence[RawMaps], places: Sequence[int]) -> RawMaps:
    """The mean of the maps and numbers, and all remarks on any.

    Args:
        places: of the layer in the pass that each map was made in, by which the maps are weighed: one of few places has a
            larger share of the score in each.
    """
    first = raw_maps[0]
    # in units of the most, so that maps of equally many places have equal weights, and their sum is their mean to the bit
    weights = [count / max(places) for count in places]
    weighed = [
        one.saliency if weight == 1 else one.saliency * weight for one, weight in zip(raw_maps, weights, strict=True)
    ]
    return RawMaps(
        torch.stack(weighed).sum(0) / sum(weights),
        _summed(remark for one in raw_maps for remark in one.remarks),
        _summed(remark for one in raw_maps for remark in one.pass_remarks),
        {name: torch.stack([one.numbers[name] for one in raw_maps]).mean(0) for name in first.numbers},
        first.parts,
    )


def _summed(remarks: Iterable[RemarkCounts]) -> tuple[RemarkCounts, ...]:
    """Each reason once a layer, its counts added."""
    sums: dict[tuple[str, str], RemarkCounts] = {}
    for remark in remarks:
        key = (remark.layer, remark.reason)
        sums[key] = replace(remark, counts=sums[key].counts + remark.counts) if key in sums else remark
    return tuple(sums.values())
