"""Infidelity: how far a map's sums are from what the score loses (Yeh et al. 2019)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from xaikit import hookimpl
from xaikit.metric import MetricView
from xaikit_metrics._subsets import Subsets, checked_shares


@dataclass(frozen=True)
class Infidelity(Subsets):
    """The mean squared difference, over random subsets of blocks, of b times what the map gives a subset and what the score loses
    without it.

    A map of another unit than the score's is no worse for it: b = sum(s d) / sum(s^2) is the factor that suits it best, 0 for a
    map that is 0, and is kept as ``scale``; the difference for b = 1 is kept as ``unscaled``. A negative ``scale`` is of a map
    that is rather wrong way round.

    Cost: draws scores of a photograph for each size, whatever the number of its maps; shared with sensitivityn.
    Fails: it is in units of the squared score, so that photographs that the model is sure of count most.
    Peers: Captum multiplies the map by what was taken from the input, for maps that are gradients; here, as for sensitivity-n,
    the map is what each place contributes. Quantus takes ever more away, and repeats the same draws.

    shares  of the blocks that the subsets have
    scaled  whether b is that factor, or 1
    """

    shares: tuple[float, ...] = (0.1, 0.3, 0.5, 0.7)
    scaled: bool = True

    equation: ClassVar[str] = "mean_I (b sum_{i in I} a_i - (s(x) - s(x without I)))^2"
    citation: ClassVar[str] = "Yeh et al. 2019, arXiv:1901.09392"
    suites: ClassVar[frozenset[str]] = frozenset({"full"})
    examples: ClassVar[tuple[dict[str, Any], ...]] = ({"shares": (0.2,), "draws": 4},)
    higher_is_better: ClassVar[bool] = False
    range: ClassVar[tuple[float, float]] = (0.0, math.inf)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "shares", checked_shares(*self.shares))  # of YAML it is a list

    @property
    def further(self) -> int:
        """The score without each subset."""
        return self.draws * len(self.shares)

    def chance(self, view: MetricView) -> Tensor:
        """Of a constant map, (N, T), which knows how large a subset is; NaN unscaled, where it depends on the constant."""
        if not self.scaled:
            return view.maps.new_full(view.shape[:2], torch.nan)
        return self._errors(view, torch.ones_like(view.maps[:, 0]))[1]

    def measure(self, view: MetricView) -> Tensor:
        """(N, T), in units of the squared score."""
        scale, scaled, unscaled = self._errors(view, view.maps[:, 0])
        view.keep("scale", scale)
        view.keep("unscaled", unscaled)
        return scaled if self.scaled else unscaled

    def _errors(self, view: MetricView, maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The best factor of maps (N, *S), the error with it, and that without; (N, T) each."""
        pairs = [self.pairs(view, share, maps) for share in self.shares]
        given, lost = (torch.cat(each, 1) for each in zip(*pairs, strict=True))
        square = (given**2).sum(1, keepdim=True)
        scale = (given * lost).sum(1, keepdim=True) / torch.where(square == 0, 1, square)
        errors = [((factor * given - lost) ** 2).mean(1, keepdim=True) for factor in (scale, 1)]
        return scale, errors[0], errors[1]


@hookimpl
def xaikit_metric() -> type:
    return Infidelity
