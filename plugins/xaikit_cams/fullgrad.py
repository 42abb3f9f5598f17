"""FullGrad: the input's share of the score and that of every bias (Srinivas and Fleuret 2019, arXiv:1905.00780)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from xaikit import ConfigError, Needs, hookimpl
from xaikit.method import one_of
from xaikit.ops import MODES, exact
from xaikit.view import View

Rescale = Literal["channel", "layer"]
TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-3}
ROUGH = 0.1
"""In half precision."""


@dataclass(frozen=True)
class FullGrad:
    """L = psi(x * dy/dx) + sum_l sum_c psi(b_lc * dy/df_lc), where psi(v) = U(N(|v|)): N stretches between minimum and
    maximum, U is linear upsampling to the input; section 4. b_l = f_l(x) - J_l x is what layer l adds to its linear part.

    y = x . dy/dx + sum_l b_l . dy/df_l (Eq. 4) holds for every network whose additions are all counted: biases, batch
    normalization (beta - gamma mu / sigma), and the implicit ones of SiLU, GELU, ReLU6, LayerNorm and any other module. It is
    checked for every sample and target; the share of the largest term that is missing is kept as the number
    ``unexplained``. Layers without space, as the last linear one, are counted and have no map, as in the paper.

    Cost: one forward and one gradient call down to the input, shared; every layer's output is kept for its length.
    Fails: refused where something is not counted: functions that are no modules (torch.sigmoid in a forward), products of
        activations (squeeze-and-excitation, attention), targets that are no linear function of the output (softmax,
        rest, similarity). A channel counts as much as any other, however small: maps
        are soft, and those of deep networks alike for all classes.
    Peers: the authors' code stretches a layer's channels together, as ``rescale: layer`` does, and also upsamples with aligned
        corners and adds 1e-6 to what it divides by. pytorch-grad-cam takes biases of Conv2d and BatchNorm2d alone, unchecked,
        and adds 1e-7 to every maximum: equal on VGG and ResNet where scores are large enough. Captum and TorchCAM: none.

    rescale  what N stretches: each channel, as the paper's sum says, or all channels of a layer together
    """

    rescale: Rescale = "channel"

    needs: ClassVar[Needs] = Needs(gradients=1, biases=True, layers="all")
    traits: ClassVar[frozenset[str]] = frozenset({"class_specific", "deterministic", "per_sample", "scale_free"})
    paper: ClassVar[dict[str, str]] = {"rectify": "none", "normalize": "minmax"}

    def __post_init__(self) -> None:
        one_of("rescale", self.rescale, get_args(Rescale))

    def explain(self, view: View) -> Tensor:
        """The raw map (N, T, *space of the input)."""
        biases = view.biases
        if len(view.space) not in MODES:
            raise ConfigError(f"inputs: expected one to three dimensions of space, got {len(view.space)}")
        products = exact(view.activations * view.gradients)
        saliency, terms = self._stretched(products), [products.flatten(2).sum(2)]
        for bias in biases:
            if len(bias.gradients) != view.shape[0]:
                raise ConfigError(
                    f"fullgrad: layer {bias.name}: expected one row a sample ({view.shape[0]}), got {len(bias.gradients)}: what "
                    "windows or all samples share cannot be told apart; take another method, such as gradcam or layercam"
                )
            products = exact(bias.products)
            terms.append(products.flatten(2).sum(2))
            if bias.layout is not None:
                saliency = saliency + self._upsampled(self._stretched(products), view.shape[2:])
        _check(view, terms)
        return saliency

    def _stretched(self, products: Tensor) -> Tensor:
        """The sum over the channels of N(|v|): (N, T, C, *S) to (N, T, *S)."""
        size = products.abs()
        dims = tuple(range(3 if self.rescale == "channel" else 2, size.dim()))
        low, high = size.amin(dims, keepdim=True), size.amax(dims, keepdim=True)
        # a constant but for rounding is constant
        even = (high - low <= 64 * torch.finfo(size.dtype).eps * high) & high.isfinite()
        return ((size - low) / (high - low).masked_fill(even, 1)).masked_fill(even, 0).sum(2)

    @staticmethod
    def _upsampled(maps: Tensor, size: Sequence[int]) -> Tensor:
        """Linear, so that channels may be summed before it."""
        return interpolate(maps, size=tuple(size), mode=MODES[len(size)], align_corners=False)


def _check(view: View, terms: Sequence[Tensor]) -> None:
    """Raises ConfigError where the terms (N, T) do not sum to the score: something adds to it and was not counted."""
    scores, stacked = exact(view.scores), torch.stack(list(terms))
    scale = torch.maximum(scores.abs(), stacked.abs().amax(0))
    share = (stacked.sum(0) - scores).abs() / scale.where(scale != 0, 1)
    view.number("unexplained", share)
    missing = share > TOLERANCE.get(view.dtype, ROUGH)
    if bool(missing.any()):
        raise ConfigError(
            f"fullgrad: expected x . dy/dx and the biases to sum to the score, got {share.amax():.2g} of the largest term "
            "left over: the target is no linear function of the output (softmax, rest, similarity), or this model adds by "
            "what is no module (a function in its forward) or multiplies activations (squeeze-and-excitation, attention); "
            "explain a logit, or take another method, such as gradcam or layercam"
        )


@hookimpl
def xaikit_method() -> type:
    return FullGrad
