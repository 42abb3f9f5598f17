"""Score-CAM: channels weighed by the score of the input masked with them (Wang et al. 2020, arXiv:1910.01279)."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor

from xaikit import Needs, hookimpl
from xaikit.method import one_of
from xaikit.view import View
from xaikit_cams._masks import Masks, check_masks, live_channels, masks_of, shares, weigh_chosen

Weighting = Literal["increase", "softmax", "raw"]


@dataclass(frozen=True)
class ScoreCAM:
    """w = softmax_k(y(x * M_k) - y(0)) and L = relu(sum_k w_k A_k), Eq. 5 to 7; M_k is A_k in [0, 1], at the input's size.

    y is the score before the softmax. Constant channels mask nothing: they weigh 0 and cost no pass, as in the authors'
    code.

    Cost: one forward and another of the whole model for every channel (C F, thousands on a ResNet-50), shared by all
        targets; ``top_channels`` bounds it. No gradient.
    Fails: a softmax over logits is often nearly one-hot: then the map is one channel. A masked input is none that the
        model was trained on, so that weights also tell how it takes to masks.
    Peers: three algorithms bear the name. TorchCAM stretches masks before they are upsampled and compares with the
        score of the input itself, which the softmax does not see. pytorch-grad-cam upsamples with other corners
        (align_corners). Captum has none.

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
        one_of("weighting", self.weighting, get_args(Weighting))
        check_masks(self.masks, self.top_channels)

    def further(self, channels: int, places: int) -> int:
        """Further scores a sample at most, for the plan."""
        return min(channels, self.top_channels or channels) + (self.weighting == "increase")

    def variants(self) -> Hashable:
        """What the masked inputs depend on: whatever is made of their scores, the model runs once for all."""
        return self.masks, self.top_channels

    def explain(self, view: View) -> Tensor:
        """The raw map (N, T, *S), before the ReLU."""
        chosen, live = live_channels(view, self.top_channels)
        scores = self._scores(view, chosen)
        weights = scores.masked_fill(~live.unsqueeze(1), 0) if self.weighting == "raw" else shares(scores, live)
        return weigh_chosen(weights, chosen, view)

    def _scores(self, view: View, chosen: Tensor) -> Tensor:
        """What the masked inputs score, (N, T, K)."""
        image = view.image

        def make(part: slice) -> Tensor:
            masks = masks_of(view, chosen[:, part], self.masks)
            return (image.unsqueeze(1) * masks.unsqueeze(2)).to(image.dtype)

        scores = view.rescore(chosen.shape[1], make, probabilities=self.weighting == "raw")
        if self.weighting == "increase":
            # behind the masks, which other weightings ask for too
            return scores - view.rescore(1, lambda part: torch.zeros_like(image).unsqueeze(1))
        return scores


@hookimpl
def xaikit_method() -> type:
    return ScoreCAM
