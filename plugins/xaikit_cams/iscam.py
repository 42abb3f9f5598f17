"""IS-CAM: Score-CAM with scores averaged along scaled masks (Naidu et al. 2020, arXiv:2010.03023)."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor

from xaikit import Needs, hookimpl
from xaikit.method import at_least, one_of
from xaikit.view import View
from xaikit_cams._masks import Masks, check_top, live_channels, masks_of, shares, weigh_chosen

Variant = Literal["paper", "torchcam"]


@dataclass(frozen=True)
class ISCAM:
    """w = softmax_k(1/n sum_i y(x * (i/n) M_k)), i = 1..n, and L = relu(sum_k w_k A_k); M_k is A_k in [0, 1], at the
    input's size.

    y is the score before the softmax. The sum is the integral of the score along the mask from nothing to its full
    strength, by its right ends. The paper subtracts the score of a baseline, which a softmax over channels does not
    see: it is left out, and saves a pass. With n of 1 this is Score-CAM.

    Cost: one forward, and n forwards a sample for every channel that is not constant: 10 times Score-CAM's.

    Fails: on a network without biases the score is proportional to the input, and so all n scores of a channel say the
    same: the map is Score-CAM's with scores times (n + 1) / 2n, at ten times the price. Faint inputs are not what the
    network was trained on.

    Peers: the author's own code and TorchCAM multiply by the running sum of i/n, 0.1, 0.3, 0.6 ... 5.5 for n of 10,
    instead of by i/n: inputs up to 5.5 times too strong. On a network without biases their scores are 4 times ours, and
    their softmax that much sharper. No code is known that does as the integral says, and what the paper prints was not
    verified beyond it. TorchCAM gives constant channels a share too. pytorch-grad-cam and Captum have none.

    n             steps
    variant       paper: multipliers i/n, masks upsampled and then stretched to [0, 1]
                  torchcam: multipliers i (i + 1) / 2n, masks stretched and then upsampled, as TorchCAM 0.5
    top_channels  only the channels with the largest standard deviation over space; others weigh 0
    """

    n: int = 10
    variant: Variant = "paper"
    top_channels: int | None = None

    needs: ClassVar[Needs] = Needs(inputs=True, reruns=True)
    traits: ClassVar[frozenset[str]] = frozenset({"class_specific", "deterministic", "per_sample"})
    paper: ClassVar[dict[str, str]] = {"rectify": "relu"}

    def __post_init__(self) -> None:
        at_least("n", self.n, 1)
        one_of("variant", self.variant, get_args(Variant))
        check_top(self.top_channels)

    def further(self, channels: int, places: int) -> int:
        """Further scores a sample at most, for the plan."""
        return self.n * min(channels, self.top_channels or channels)

    def variants(self) -> Hashable:
        """What the masked inputs depend on: whatever target is scored, the model runs once for all."""
        return self.n, self.variant, self.top_channels

    def explain(self, view: View) -> Tensor:
        """The raw map (N, T, *S), before the ReLU."""
        chosen, live = live_channels(view, self.top_channels)
        image = view.image

        def make(part: slice) -> Tensor:
            index = torch.arange(part.start, part.stop, device=image.device)
            order: Masks = "upsample_first" if self.variant == "paper" else "normalize_first"
            masks = masks_of(view, chosen[:, index // self.n], order)
            step = (index % self.n + 1).to(masks.dtype)
            strength = step / self.n if self.variant == "paper" else step * (step + 1) / (2 * self.n)
            strength = strength.reshape(-1, *[1] * (image.dim() - 1))
            return (image.unsqueeze(1) * (strength * masks.unsqueeze(2))).to(image.dtype)

        scores = view.rescore(chosen.shape[1] * self.n, make)
        means = scores.reshape(*scores.shape[:2], -1, self.n).mean(3)
        return weigh_chosen(shares(means, live), chosen, view)


@hookimpl
def xaikit_method() -> type:
    return ISCAM
