"""KPCA-CAM: the first kernel principal component of the activations (Karmani et al. 2024, arXiv:2410.00267)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor

from xaikit import Needs, hookimpl
from xaikit.ops import kernel_principal
from xaikit.view import View

Kernel = Literal["sigmoid", "rbf", "poly", "cosine"]
# of gamma times the inner products
KERNELS: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": lambda dot: (dot + 1).tanh(),
    "rbf": lambda dot: (2 * dot - _squares(dot) - _squares(dot).mT).clamp_max(0).exp(),
    "poly": lambda dot: (dot + 1).pow(3),
}


@dataclass(frozen=True)
class KPCACAM:
    """L_p = sqrt(l_1) u_1(p), where l_1 and u_1 are the largest eigenvalue and its eigenvector of the kernel
    K_pq = kappa(x_p, x_q), centred in rows and columns; x_p are the activations at place p, less each channel's mean.

    kappa is tanh(gamma x.y + 1), exp(-gamma |x - y|^2), (gamma x.y + 1)^3 or x.y / |x||y|. No class plays a part: the
    map is the same for every target, and the forward stops at the layer. The sign, arbitrary in the paper, is such that
    the map agrees with the mean over the channels. The kernel x.y would be ``eigencam`` with ``center: true``, and so
    are sigmoid and rbf for a small gamma, up to a factor. Where a kernel cannot tell places apart within rounding the
    map is 0, and says so.

    Cost: one forward that stops at the layer (under 1 F), and a matrix of places x places a sample, with its leading
        eigenvector: 28 x 28 places are fine, 112 x 112 take gigabytes.
    Fails: gamma is in units of activations, so that every kernel but cosine changes its picture with their scale. Where
        they are large, rbf with the default gamma finds every place like itself alone (EfficientNet-Lite0's blocks.4):
        then all eigenvalues are 1, and the map is arbitrary; ``gamma: scale`` has no such unit. The sigmoid kernel is
        not positive definite, so that the component need not be one of anything.
    Peers: equal to pytorch-grad-cam's (scikit-learn's KernelPCA) up to the sign: there the largest deviation is up, be
        it the object or not, and 4 of 10 maps on photographs are the other way up. TorchCAM and Captum have none.

    kernel  sigmoid, as the authors' code; rbf; poly, of degree 3; or cosine, which has no gamma
    gamma   a number; none: one over the number of channels, as scikit-learn; scale: one over that times the variance,
            as its support vector machines
    """

    kernel: Kernel = "sigmoid"
    gamma: float | Literal["scale"] | None = None

    needs: ClassVar[Needs] = Needs(scores=False)
    traits: ClassVar[frozenset[str]] = frozenset({"deterministic", "per_sample"})
    paper: ClassVar[dict[str, str]] = {"rectify": "relu"}
    examples: ClassVar[tuple[dict[str, object], ...]] = (
        {"kernel": "rbf", "gamma": "scale"},
        {"kernel": "poly", "gamma": 0.5},
        {"kernel": "cosine"},
    )

    def __post_init__(self) -> None:
        if self.kernel not in get_args(Kernel):
            raise ValueError(f"kernel: expected one of {', '.join(get_args(Kernel))}, got {self.kernel!r}")
        if not (self.gamma in (None, "scale") or (isinstance(self.gamma, (int, float)) and _positive(self.gamma))):
            raise ValueError(f"gamma: expected a number above 0, scale or none, got {self.gamma!r}")

    def explain(self, view: View) -> Tensor:
        """The raw map (N, 1, *S)."""
        rows = view.activations.flatten(3).transpose(2, 3)
        rows = rows.to(torch.promote_types(rows.dtype, torch.float32))
        # what centring leaves of a constant channel is rounding
        varied = rows.amax(2, keepdim=True) > rows.amin(2, keepdim=True)
        rows = (rows - rows.mean(2, keepdim=True)).where(varied | rows.isnan(), 0)
        component, separable = kernel_principal(self._kernel(rows))
        view.warn("the kernel cannot tell places apart, its map is zero", ~separable)
        agreement = (component * rows.mean(3)).sum(2, keepdim=True)
        return component.where(agreement >= 0, -component).reshape(*rows.shape[:2], *view.shape[2:])

    def _kernel(self, rows: Tensor) -> Tensor:
        """(N, 1, places, channels) to (N, 1, places, places)."""
        # in units of the largest value, so that squares of small ones do not underflow
        peak = rows.abs().amax((2, 3), keepdim=True)
        unit = peak.where(peak > 0, 1)
        rows = rows / unit
        if self.kernel == "cosine":
            length = torch.linalg.vector_norm(rows, dim=3, keepdim=True)
            rows = rows / length.where(length != 0, 1)
            return rows @ rows.mT
        return KERNELS[self.kernel](rows @ rows.mT * self._gamma(rows, unit))

    def _gamma(self, rows: Tensor, unit: Tensor) -> Tensor:
        """For rows in that unit."""
        channels = rows.shape[3]
        if self.gamma == "scale":
            variance = rows.square().mean((2, 3), keepdim=True)
            return 1 / (channels * variance.where(variance != 0, 1))
        return unit.square() * (1 / channels if self.gamma is None else self.gamma)


def _squares(dot: Tensor) -> Tensor:
    return dot.diagonal(dim1=-2, dim2=-1).unsqueeze(-1)


def _positive(number: float) -> bool:
    return isfinite(number) and number > 0


@hookimpl
def xaikit_method() -> type:
    return KPCACAM
