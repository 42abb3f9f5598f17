"""FEM: the places where a channel is unusually strong (Fuad et al. 2020, IPTA, doi:10.1109/IPTA50016.2020.9286629)."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor

from xaikit import Needs, hookimpl
from xaikit.ops import combine
from xaikit.view import View

Variant = Literal["paper", "grad_cam"]


@dataclass(frozen=True)
class FEM:
    """B_k = 1[A_k > mu_k + k sigma_k] and L = sum_k mu_k B_k, the k-sigma rule.

    mu_k and sigma_k are the mean and the standard deviation of channel k over the places of one sample. No class plays
    a part: the map is the same for every target, and the forward stops at the layer. A constant channel has no unusual
    place, whichever way its mean is rounded.

    Cost: one forward that stops at the layer (under 1 F); no gradient.
    Fails: where the question is which class, and on small layers: by Cantelli's inequality at most 1 / (1 + k^2) of the
        places, a fifth for k = 2, are over the threshold, and of 5 places or fewer none is. Where channels are negative
        on average, what is unusually strong counts against its place.
    Peers: pytorch-grad-cam's map is another, sum_k mean(B_k) A_k, which is smooth where the paper's is a sum of steps:
        variant grad_cam, equal but for constant channels. Xplique (TensorFlow) follows the paper, with >= for >.
        TorchCAM and Captum have none.

    k        how many standard deviations above the mean is unusual
    variant  paper: masks weighed by the means of channels; grad_cam: activations weighed by the means of masks
    """

    k: float = 2.0
    variant: Variant = "paper"

    needs: ClassVar[Needs] = Needs(scores=False)
    traits: ClassVar[frozenset[str]] = frozenset({"deterministic", "per_sample"})
    paper: ClassVar[dict[str, str]] = {"rectify": "none"}
    examples: ClassVar[tuple[dict[str, object], ...]] = ({"variant": "grad_cam"},)

    def __post_init__(self) -> None:
        if not (isfinite(self.k) and self.k >= 0):
            raise ValueError(f"k: expected at least 0, got {self.k}")
        if self.variant not in get_args(Variant):
            raise ValueError(f"variant: expected one of {', '.join(get_args(Variant))}, got {self.variant!r}")

    def explain(self, view: View) -> Tensor:
        """The raw map (N, 1, *S)."""
        activations = view.activations.to(torch.promote_types(view.activations.dtype, torch.float32))
        mean = activations.mean(view.space, keepdim=True)
        spread = activations.std(view.space, correction=0, keepdim=True)
        varied = activations.amax(view.space, keepdim=True) > activations.amin(view.space, keepdim=True)
        outlying = (activations > mean + self.k * spread) & varied
        view.warn(f"no place is {self.k:g} deviations above its channel's mean", ~outlying.flatten(2).any(2))
        unusual = outlying.to(activations.dtype)
        if self.variant == "paper":
            return combine(mean * unusual, view)
        return combine(unusual.mean(view.space, keepdim=True) * activations, view)


@hookimpl
def xaikit_method() -> type:
    return FEM
