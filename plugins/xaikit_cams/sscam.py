"""SS-CAM: Score-CAM with scores averaged over noisy masks or inputs (Wang et al. 2020, arXiv:2006.14255)."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor

from xaikit import Needs, hookimpl
from xaikit.method import at_least, one_of
from xaikit.view import View
from xaikit_cams._masks import (
    Masks,
    bounds,
    check_top,
    chosen_maps,
    confidences,
    live_channels,
    masks_of,
    shares,
    upsampled,
    weigh_chosen,
)

NoiseOn = Literal["mask", "input"]
Variant = Literal["authors", "normalized", "torchcam"]


@dataclass(frozen=True)
class SSCAM:
    """L = relu(sum_k w_k A_k) with w_k = 1/n sum_i p(x * (U_k + s_k e_i)): U_k is A_k at the input's size, p the
    probability of the class, e_i normal noise of deviation 1, and s_k = (std / (max U_k - min U_k))^2.

    So the authors' code, with no softmax over the channels. All channels get the same n fields of noise, where theirs
    draws anew for each: a channel's own mean is the same. Of a target that is no class and so has no probability, p is
    the score itself. With ``variant: normalized`` and std 0 this is Score-CAM.

    Cost: one forward, and n forwards a sample for every channel that is not constant: 35 times Score-CAM's.

    Fails: U_k is not stretched, so that a faint channel shows the model a faint picture, and gets noise that grows with the
    square of how faint it is. The variants stretch, and their noise is absolute: with a std of 2 a mask in [0, 1] is mostly
    noise. Look at several seeds.

    Peers: TorchCAM's is ``variant: torchcam`` with noise of its own for every channel, drawn from the global state;
    it gives constant channels a share too. pytorch-grad-cam and Captum have none.

    n             noisy masks or inputs a channel, 35 in the authors' code and TorchCAM
    std           of the noise, 2 in both: over the range of what it is added to, and squared; absolute in the variants
    noise_on      mask: the first type, as above
                  input: the second, p(x * M_k + s e_i), where M_k is U_k in [0, 1] and s is of the range of x * M_k, with
                  noise for every pixel of every channel of the input; (x + e_i) * M_k in the variants
    variant       authors
                  normalized: Score-CAM's masks M_k + std e_i, scores before the softmax, a softmax over the channels
                  torchcam: the same with masks that are stretched before they are upsampled
    top_channels  only the channels with the largest standard deviation over space; others weigh 0
    """

    n: int = 35
    std: float = 2.0
    noise_on: NoiseOn = "mask"
    variant: Variant = "authors"
    top_channels: int | None = None

    needs: ClassVar[Needs] = Needs(inputs=True, reruns=True)
    traits: ClassVar[frozenset[str]] = frozenset({"class_specific", "per_sample"})
    paper: ClassVar[dict[str, str]] = {"rectify": "relu"}

    def __post_init__(self) -> None:
        at_least("n", self.n, 1)
        at_least("std", self.std, 0)
        one_of("noise_on", self.noise_on, get_args(NoiseOn))
        one_of("variant", self.variant, get_args(Variant))
        check_top(self.top_channels)

    def further(self, channels: int, places: int) -> int:
        """Further scores a sample at most, for the plan."""
        return self.n * min(channels, self.top_channels or channels)

    def variants(self) -> Hashable:
        """What the noisy inputs depend on: whatever target is scored, the model runs once for all."""
        return self.n, self.std, self.noise_on, self.variant, self.top_channels

    def explain(self, view: View) -> Tensor:
        """The raw map (N, T, *S), before the ReLU."""
        chosen, live = live_channels(view, self.top_channels)
        image = view.image
        on_mask = self.noise_on == "mask"
        # before any variant is made: these may be made in chunks of any size, twice, or not at all
        noise = view.generator.normal(self.n, *image.shape[2 if on_mask else 1 :])
        noisy = self._as_authors if self.variant == "authors" else self._as_normalized

        def make(part: slice) -> Tensor:
            index = torch.arange(part.start, part.stop, device=image.device)
            fields = noise[:, index % self.n]
            return noisy(view, chosen[:, index // self.n], fields.unsqueeze(2) if on_mask else fields).to(image.dtype)

        count = chosen.shape[1] * self.n
        scores = confidences(view, count, make) if self.variant == "authors" else view.rescore(count, make)
        means = scores.reshape(*scores.shape[:2], -1, self.n).mean(3)
        weights = means.masked_fill(~live.unsqueeze(1), 0) if self.variant == "authors" else shares(means, live)
        return weigh_chosen(weights, chosen, view)

    def _as_authors(self, view: View, channels: Tensor, fields: Tensor) -> Tensor:
        """Noisy inputs (N, m, channels, *space), where a channel shows them as they are: not stretched."""
        image = view.image.unsqueeze(1)
        if self.noise_on == "mask":
            masks = upsampled(chosen_maps(view, channels), tuple(view.image.shape[2:]))
            return image * (masks.unsqueeze(2) + self._strength(masks).unsqueeze(2) * fields)
        masked = image * masks_of(view, channels, "upsample_first").unsqueeze(2)
        strength = self._strength(masked.flatten(2)).reshape(*masked.shape[:2], *[1] * (masked.dim() - 2))
        return masked + strength * fields

    def _strength(self, noised: Tensor) -> Tensor:
        """(std / range)^2 of each map, (N, m, 1, ...)."""
        return (self.std / bounds(noised)[1]).square()

    def _as_normalized(self, view: View, channels: Tensor, fields: Tensor) -> Tensor:
        """The same with masks in [0, 1] and absolute noise."""
        order: Masks = "normalize_first" if self.variant == "torchcam" else "upsample_first"
        masks, image = masks_of(view, channels, order).unsqueeze(2), view.image.unsqueeze(1)
        noise = self.std * fields
        return image * (masks + noise) if self.noise_on == "mask" else (image + noise) * masks


@hookimpl
def xaikit_method() -> type:
    return SSCAM
