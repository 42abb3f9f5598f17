"""SS-CAM: Score-CAM with scores averaged over noisy masks or inputs (Wang et al. 2020, arXiv:2006.14255)."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor

from xaikit import Needs, hookimpl
from xaikit.view import View
from xaikit_cams._masks import Masks, at_least, check_masks, live_channels, masks_of, one_of, shares, weigh_chosen

NoiseOn = Literal["mask", "input"]


@dataclass(frozen=True)
class SSCAM:
    """w = softmax_k(1/n sum_i y(x * (M_k + e_i))) and L = relu(sum_k w_k A_k); M_k is A_k in [0, 1], at the input's size.

    e_i is normal noise of a standard deviation std; y is the score before the softmax. The paper subtracts the score of
    a baseline, which a softmax over channels does not see: it is left out, and saves a pass. All channels get the same
    n fields of noise, each drawn for every pixel: a channel's own mean is as in the paper, and what the noise does to
    all channels alike cancels in the softmax. Noisy masks are neither clipped nor stretched again. With std 0 this is
    Score-CAM.

    Cost: one forward, and n forwards a sample for every channel that is not constant: 35 times Score-CAM's.

    Fails: the noise is absolute and masks lie in [0, 1], so with the default std of 2 a mask is mostly noise. On
    EfficientNet-Lite0 and three photographs the score then fell from 7 to 9 with clean masks to less than 1, and the
    order of the channels was no longer Score-CAM's (rank correlations of -0.8 to -0.3; with a std of 0.1 they were 0.8,
    -0.1 and 0.4). Look at several seeds.

    Peers: TorchCAM's is masks: normalize_first with noise of its own for every channel, drawn from the global state;
    it gives constant channels a share too. pytorch-grad-cam and Captum have none.

    n             noisy masks or inputs a channel; 35 as in TorchCAM: the paper's own number was not verified
    std           of the noise, absolute: in units of masks in [0, 1], or of the model's input; 2 as in TorchCAM
    noise_on      mask: x * (M_k + e_i), the paper's first type
                  input: (x + e_i) * M_k, its second type, with noise for every pixel of every channel of the input
    masks         upsample_first or normalize_first, as in Score-CAM
    top_channels  only the channels with the largest standard deviation over space; others weigh 0
    """

    n: int = 35
    std: float = 2.0
    noise_on: NoiseOn = "mask"
    masks: Masks = "upsample_first"
    top_channels: int | None = None

    needs: ClassVar[Needs] = Needs(inputs=True, reruns=True)
    traits: ClassVar[frozenset[str]] = frozenset({"class_specific", "per_sample"})
    paper: ClassVar[dict[str, str]] = {"rectify": "relu"}

    def __post_init__(self) -> None:
        at_least("n", self.n, 1)
        at_least("std", self.std, 0)
        one_of("noise_on", self.noise_on, get_args(NoiseOn))
        check_masks(self.masks, self.top_channels)

    def further(self, channels: int, places: int) -> int:
        """Further scores a sample at most, for the plan."""
        return self.n * min(channels, self.top_channels or channels)

    def variants(self) -> Hashable:
        """What the noisy inputs depend on: whatever target is scored, the model runs once for all."""
        return self.n, self.std, self.noise_on, self.masks, self.top_channels

    def explain(self, view: View) -> Tensor:
        """The raw map (N, T, *S), before the ReLU."""
        chosen, live = live_channels(view, self.top_channels)
        image = view.image
        on_mask = self.noise_on == "mask"
        # before any variant is made: these may be made in chunks of any size, twice, or not at all
        noise = self.std * view.generator.normal(self.n, *image.shape[2 if on_mask else 1 :])

        def make(part: slice) -> Tensor:
            index = torch.arange(part.start, part.stop, device=image.device)
            masks = masks_of(view, chosen[:, index // self.n], self.masks)
            fields = noise[:, index % self.n]
            if on_mask:
                return (image.unsqueeze(1) * (masks + fields).unsqueeze(2)).to(image.dtype)
            return ((image.unsqueeze(1) + fields) * masks.unsqueeze(2)).to(image.dtype)

        scores = view.rescore(chosen.shape[1] * self.n, make)
        means = scores.reshape(*scores.shape[:2], -1, self.n).mean(3)
        return weigh_chosen(shares(means, live), chosen, view)


@hookimpl
def xaikit_method() -> type:
    return SSCAM
