"""Smooth Grad-CAM++: Grad-CAM++ with gradients averaged over noisy inputs (Omeiza et al. 2019, arXiv:1908.01224)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from torch import Tensor

from xaikit import Needs, hookimpl
from xaikit.ops import weigh
from xaikit.view import View
from xaikit_cams._alpha import channel_weights, mass


@dataclass(frozen=True)
class SmoothGradCAMpp:
    """w_k = sum_ij alpha_k(i,j) relu(mean g) with alpha = mean g^2 / (2 mean g^2 + mean g^3 sum_ab A_k(a,b)).

    Means are over noisy inputs; the activations, in alpha and in the map, are those of the clean one.

    Cost: n forwards and n gradient calls of what lies behind the layer, beside the shared pass.
    Fails: as Grad-CAM++: what speaks against the class is dropped, and a score in other units makes another map. The
        noise is absolute: the same std is much for one preprocessing and little for another.
    Peers: TorchCAM's, with four deviations, is ``variant: torchcam``; it draws without a seed. pytorch-grad-cam and
        Captum have none.

    n        noisy inputs
    std      of the noise, absolute, in units of the model's input
    variant  corrected: alpha's numerator is mean g^2, as in Grad-CAM++
             paper: mean g, as printed
             torchcam: TorchCAM 0.5 given the same noise, faults included: the sum in alpha runs over A mean g^3, an
             epsilon of 1e-8 is added to it, and the gradient beside alpha and the activations of the map are those of
             the last noisy input
    """

    n: int = 4
    std: float = 0.3
    variant: Literal["corrected", "paper", "torchcam"] = "corrected"

    needs: ClassVar[Needs] = Needs(gradients=1, inputs=True, reruns=True)
    traits: ClassVar[frozenset[str]] = frozenset({"class_specific", "per_sample"})
    paper: ClassVar[dict[str, str]] = {"rectify": "relu"}

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ValueError(f"n: expected at least 1, got {self.n}")
        if self.std < 0:
            raise ValueError(f"std: expected at least 0, got {self.std}")

    def further(self, channels: int, places: int) -> int:
        """Further passes a sample, for the plan."""
        return self.n

    def explain(self, view: View) -> Tensor:
        """The raw map (N, T, *S), before the ReLU."""
        if self.variant == "torchcam":
            return self._as_torchcam(view)
        # in units of the largest gradient, so that cubes of small ones do not underflow
        unit = _peak(view)
        first: Any = 0.0
        second: Any = 0.0
        third: Any = 0.0
        for noisy in self._noisy(view):
            gradients = noisy.gradients / unit
            first = first + gradients / self.n
            second = second + gradients.square() / self.n
            third = third + gradients.pow(3) / self.n
        return weigh(self._weights(first, second, third, unit, view), view)

    def _weights(self, first: Any, second: Any, third: Any, unit: Tensor, view: View) -> Tensor:
        mean = first.clamp_min(0)
        squared = second.masked_fill(second == 0, 1)
        denominator = 2 + mass(view) * unit * third / squared
        numerator = mean * unit if self.variant == "corrected" else mean.square() / squared
        return channel_weights(numerator, denominator, view)

    def _as_torchcam(self, view: View) -> Tensor:
        second: Any = 0.0
        third: Any = 0.0
        last = view
        for noisy in self._noisy(view):
            second = second + noisy.gradients.square()
            third = third + noisy.gradients.pow(3)
            last = noisy
        squared, cubed = second / self.n, third / self.n
        spread = (cubed * view.activations).sum(view.space, keepdim=True)
        alpha = squared / (2 * squared + spread + 1e-8)
        return weigh((alpha * last.gradients.clamp_min(0)).sum(view.space), last)

    def _noisy(self, view: View) -> Iterator[View]:
        image = view.image
        for _ in range(self.n):
            noise = self.std * view.generator.normal(*image.shape[1:])
            yield view.retrace(view.inputs_with(image + noise))


def _peak(view: View) -> Tensor:
    """The largest magnitude among the clean gradients of a sample and target, 1 where all are zero: (N, T, 1, ...)."""
    peak = view.gradients.abs().amax((view.channel, *view.space), keepdim=True)
    return peak.masked_fill(peak == 0, 1)


@hookimpl
def xaikit_method() -> type:
    return SmoothGradCAMpp
