"""Score-CAM: channels weighed by the score of the input masked with them (Wang et al. 2020, arXiv:1910.01279)."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from xaikit import Needs, hookimpl
from xaikit.ops import weigh
from xaikit.view import View

Weighting = Literal["increase", "softmax", "raw"]
Masks = Literal["upsample_first", "normalize_first"]
MODES = {1: "linear", 2: "bilinear", 3: "trilinear"}


@dataclass(frozen=True)
class ScoreCAM:
    """w = softmax_k(y(x * M_k) - y(0)) and L = relu(sum_k w_k A_k), Eq. 5 to 7; M_k is A_k in [0, 1], at the input's size.

    y is the score before the softmax. No gradient; a pass of the whole model for every channel. Constant channels mask
    nothing: they weigh 0 and cost no pass, as in the authors' code.

    weighting     increase: as printed, with the all-zero input as the baseline
                  softmax: without the baseline, as TorchCAM and pytorch-grad-cam. A softmax does not see what is
                  added to all channels, so that it equals ``increase`` up to rounding, and saves a pass
                  raw: the probability of the class for the masked input, without a softmax over channels, as the
                  authors' code
    masks         upsample_first: A_k is upsampled, then stretched to [0, 1], as in the paper
                  normalize_first: the other way round, as TorchCAM
    top_channels  only the channels with the largest standard deviation over space, as Faster Score-CAM; others weigh 0
    """

    weighting: Weighting = "increase"
    masks: Masks = "upsample_first"
    top_channels: int | None = None

    needs: ClassVar[Needs] = Needs(inputs=True, reruns=True)
    traits: ClassVar[frozenset[str]] = frozenset({"class_specific", "deterministic", "per_sample"})
    paper: ClassVar[dict[str, str]] = {"rectify": "relu"}

    def __post_init__(self) -> None:
        _one_of("weighting", self.weighting, get_args(Weighting))
        _one_of("masks", self.masks, get_args(Masks))
        if self.top_channels is not None and self.top_channels < 1:
            raise ValueError(f"top_channels: expected at least 1 or none, got {self.top_channels}")

    def further(self, channels: int, places: int) -> int:
        """Further scores a sample at most, for the plan."""
        return min(channels, self.top_channels or channels) + (self.weighting == "increase")

    def variants(self) -> Hashable:
        """What the masked inputs depend on: whatever is made of their scores, the model runs once for all."""
        return self.masks, self.top_channels

    def explain(self, view: View) -> Tensor:
        """The raw map (N, T, *S), before the ReLU."""
        chosen, live = self._channels(view.activations.squeeze(1).flatten(2))
        weights = self._weights(self._scores(view, chosen), live.unsqueeze(1))
        samples, targets, _ = weights.shape
        everywhere = weights.new_zeros(samples, targets, view.activations.shape[2])
        return weigh(everywhere.scatter(2, chosen.unsqueeze(1).expand_as(weights), weights), view)

    def _channels(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Which channels mask, most varied first, and whether they vary at all: (N, C, places) to (N, K) twice."""
        varied = maps.amax(2) > maps.amin(2)
        spread = maps.std(2, correction=0).masked_fill(~varied, -1)
        order = spread.argsort(dim=1, descending=True, stable=True)
        # the one number that is waited for: it saves a whole pass for every channel that is constant in all samples
        most = int(varied.sum(1).amax())
        # at least one, so that there is something to score
        order = order[:, : max(1, min(most, self.top_channels or most))]
        return order, varied.gather(1, order)

    def _scores(self, view: View, chosen: Tensor) -> Tensor:
        """What the masked inputs score, (N, T, K)."""
        image = view.image

        def make(part: slice) -> Tensor:
            return (image.unsqueeze(1) * self._masks(view, chosen[:, part]).unsqueeze(2)).to(image.dtype)

        scores = view.rescore(chosen.shape[1], make, probabilities=self.weighting == "raw")
        if self.weighting == "increase":
            # behind the masks, which other weightings ask for too
            return scores - view.rescore(1, lambda part: torch.zeros_like(image).unsqueeze(1))
        return scores

    def _masks(self, view: View, channels: Tensor) -> Tensor:
        """The masks of some channels, (N, m) to (N, m, *space)."""
        maps = view.activations.squeeze(1)
        maps = maps[torch.arange(len(maps), device=maps.device).unsqueeze(1), channels]
        maps = maps.to(torch.promote_types(maps.dtype, torch.float32))
        size = view.image.shape[2:]
        if self.masks == "upsample_first":
            return _stretched(_upsampled(maps, size))
        return _upsampled(_stretched(maps), size)

    def _weights(self, scores: Tensor, live: Tensor) -> Tensor:
        if self.weighting != "raw":
            # a sample without a live channel has no softmax: its weights are 0 all the same
            scores = scores.masked_fill(~live, -torch.inf).softmax(2)
        return scores.masked_fill(~live, 0)


def _upsampled(maps: Tensor, size: tuple[int, ...]) -> Tensor:
    """Linearly, between the centres of cells."""
    return interpolate(maps, size=size, mode=MODES[len(size)], align_corners=False)


def _stretched(maps: Tensor) -> Tensor:
    """Each map between its minimum and maximum; a constant one is zero."""
    space = tuple(range(2, maps.dim()))
    low = maps.amin(space, keepdim=True)
    span = maps.amax(space, keepdim=True) - low
    return (maps - low) / span.where(span != 0, 1)


def _one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name}: expected one of {', '.join(choices)}, got {value!r}")


@hookimpl
def xaikit_method() -> type:
    return ScoreCAM
