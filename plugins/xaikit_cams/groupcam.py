"""Group-CAM: groups of channels, weighed by what they show of a blurred input (Zhang et al. 2021, arXiv:2103.13859)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from xaikit import Needs, hookimpl
from xaikit.method import at_least, one_of
from xaikit.ops import pool
from xaikit.view import View
from xaikit_cams._masks import along, bounds, confidences, smoothing, upsampled

RADIUS, SIGMA = 25, 50.0
"""Of the blur, in pixels, as in the authors' code."""

THETA = 70


@dataclass(frozen=True)
class GroupCAM:
    """R_g = relu(sum_k in g mean(G_k) A_k), w_g = relu(p(x * M_g + b(x) * (1 - M_g)) - p(b(x))), L = relu(sum_g w_g R_g).

    G_k is the gradient of the score before the softmax, p the probability of the class, and b a Gaussian blur of 51
    pixels and a sigma of 50 (less where the input is smaller). Groups are runs of neighbouring channels. M_g is R_g,
    upsampled and stretched to [0, 1]. The map is at the layer's size and such that, upsampled linearly, it is that of the
    authors' code. Of a target that is no class and so has no probability, p is the score itself.

    Cost: one forward and one gradient call, shared, and groups + 1 forwards a sample and target.

    Fails: where p is near 1 with the blurred input already, or near 0 for every group, all weights are near 0 and so
    is the map. Which channels are neighbours means nothing: another order of channels is another map.

    Peers: TorchCAM, pytorch-grad-cam and Captum have none. The authors' code has changed: both forms are here.

    groups   at most so many, of equal size but for the last
    variant  current: as above, the authors' code since August 2021; constant groups, where it divides by zero, weigh 0
             june2021: places of R_g at or below its 70th percentile are set to zero, L = relu(sum_g w_g M_g), and w_g may
             be negative
    """

    groups: int = 32
    variant: Literal["current", "june2021"] = "current"

    needs: ClassVar[Needs] = Needs(gradients=1, inputs=True, reruns=True)
    traits: ClassVar[frozenset[str]] = frozenset({"class_specific", "deterministic", "per_sample"})
    paper: ClassVar[dict[str, str]] = {"rectify": "relu"}
    examples: ClassVar[tuple[dict[str, Any], ...]] = ({"groups": 2}, {"groups": 2, "variant": "june2021"})

    def __post_init__(self) -> None:
        at_least("groups", self.groups, 1)
        one_of("variant", self.variant, ("current", "june2021"))

    def further(self, channels: int, places: int) -> int:
        """Further scores a sample at most, for the plan."""
        return min(channels, self.groups) + 1

    def explain(self, view: View) -> Tensor:
        """The raw map (N, T, *S), before the ReLU."""
        groups = self._groups(view)
        targets, count = groups.shape[1:3]
        rough = groups.flatten(1, 2)
        image = view.image.to(rough.dtype)
        size = tuple(image.shape[2:])
        # of one mask at a time: all at the input's size may be more than fits
        limits = [bounds(upsampled(one.unsqueeze(1), size)) for one in rough.unbind(1)]
        low, span = (torch.cat(each, 1) for each in zip(*limits, strict=True))
        blurred = along(image, [smoothing(side, RADIUS, SIGMA) for side in size]).unsqueeze(1)

        def make(part: slice) -> Tensor:
            masks = ((upsampled(rough[:, part], size) - low[:, part]) / span[:, part]).unsqueeze(2)
            return (image.unsqueeze(1) * masks + blurred * (1 - masks)).to(view.image.dtype)

        # every target is scored for the masks of all: its own are on the diagonal
        scores = confidences(view, targets * count, make).reshape(-1, targets, targets, count)
        base = confidences(view, 1, lambda part: blurred.to(view.image.dtype))
        raised = scores.diagonal(0, 1, 2).mT - base
        view.warn("no group of channels raises the probability", (raised <= 0).all(2))
        if self.variant == "current":
            return (raised.clamp_min(0).reshape(low.shape) * rough).reshape(groups.shape).sum(2)
        return (raised.reshape(low.shape) * (rough - low) / span).reshape(groups.shape).sum(2)

    def _groups(self, view: View) -> Tensor:
        """The rectified sums of groups of channels, (N, T, G, *S)."""
        dtype = torch.promote_types(view.activations.dtype, torch.float32)
        weights = pool(view.gradients.to(dtype), view)
        products = weights.reshape(*weights.shape, *[1] * len(view.space)) * view.activations
        size = -(-products.shape[2] // self.groups)
        runs = [products[:, :, start : start + size] for start in range(0, products.shape[2], size)]
        summed = torch.stack([run.sum(2) for run in runs], 2).clamp_min(0)
        if self.variant == "current":
            return summed
        places = summed.flatten(3)
        # of the interpolated percentile and the value below it, both let the same places through
        rank = int(THETA * (places.shape[3] - 1) // 100) + 1
        threshold = places.kthvalue(rank, 3, keepdim=True).values
        return places.where(places > threshold, 0).reshape(summed.shape)


@hookimpl
def xaikit_method() -> type:
    return GroupCAM
