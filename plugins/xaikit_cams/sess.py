"""SESS: Grad-CAM of windows slid over the input at several scales, pooled (Tursun et al. 2022, arXiv:2207.01769)."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from xaikit import ConfigError, Needs, hookimpl
from xaikit.method import at_least, one_of
from xaikit.ops import pool, weigh
from xaikit.view import View
from xaikit_cams._masks import along, confidences, interpolating, smoothing, stretched

Pool = Literal["mean", "max"]
RADIUS, SIGMA = 5, 5.0


@dataclass(frozen=True)
class Window:
    """One window of the input's own size on the scaled input: how long that is and where it starts, for each axis."""

    sides: tuple[int, ...]
    lengths: tuple[int, ...]
    starts: tuple[int, ...]

    def cut(self, image: Tensor) -> Tensor:
        """What is seen through it, (N, ..., *sides)."""
        axes = zip(self.sides, self.lengths, self.starts, strict=True)
        return along(image, [interpolating(side, length)[start : start + side] for side, length, start in axes])

    def put(self, maps: Tensor) -> Tensor:
        """Maps of it in their place on the input, zero around."""
        axes = zip(self.sides, self.lengths, self.starts, strict=True)
        return along(maps, [interpolating(length, side)[:, start : start + side] for side, length, start in axes])


@dataclass(frozen=True)
class SESS:
    """L = mean over the windows q that cover a pixel of (p_q / max p) S_q, smoothed; S_q is the Grad-CAM of window q.

    At scale s = 0, 1, ... the input is resized to 1 + 2 s / 7 times its size, and windows of the input's size are laid
    side by side on it, the last one at the border. S_q is rectified, upsampled to the window, stretched to [0, 1] and
    put back in its place; p_q is the probability of the class for the window (of a target that is no class, its score,
    if positive). Pixels are covered where a map is positive. Smoothing is a Gaussian of 11 pixels with a sigma of 5.

    The paper's map is at the input's size. Here it is averaged to the layer's cells, as every method answers in the
    space of its layer: what is finer than a cell is lost. On EfficientNet-Lite0's 7 x 7 cells that is little: upsampled,
    it correlates with the map at the input's size by 0.95 to 0.99, where Grad-CAM's does by 0.56 to 0.95.

    Cost: one forward and one gradient call, and for each window a forward and a gradient call of the whole batch and a
    forward: 122 windows for 12 scales in two dimensions, 36 in one, 450 in three. A large multiple of Grad-CAM's.

    Fails: a window without the object has a map all the same, stretched to 1 and weighed by a small p_q. If no window
    is likely to be of the class, the largest p is small, and windows that say nothing weigh as much as others. Scaled
    inputs show parts larger than the network was trained on. On an input of few pixels the blur is all there is. Targets of
    certain places (region, box, a unit of a map) are refused: in a window the same place shows something else.

    Peers: pytorch-grad-cam's is the same at the input's size for square inputs; for others its windows are squares of
    the shorter side, ours have the input's shape. It can drop windows of a low p, as
    the paper's pre-filtering does, which is left out here. TorchCAM and Captum have none.

    scales  how many
    pool    mean: over the windows that cover a pixel
            max: the largest of all windows
    """

    scales: int = 12
    pool: Pool = "mean"

    needs: ClassVar[Needs] = Needs(gradients=1, inputs=True, reruns=True)
    traits: ClassVar[frozenset[str]] = frozenset({"class_specific", "deterministic", "per_sample"})
    paper: ClassVar[dict[str, str]] = {"rectify": "relu"}

    def __post_init__(self) -> None:
        at_least("scales", self.scales, 1)
        one_of("pool", self.pool, get_args(Pool))

    def further(self, channels: int, places: int) -> int:
        """Further passes and scores a sample, for the plan: of a square with many pixels."""
        return 2 * sum((-(-(7 + 2 * scale) // 7)) ** 2 for scale in range(self.scales))

    def variants(self) -> Hashable:
        """What the scored windows depend on: however they are pooled, they are scored once for all."""
        return self.scales

    def explain(self, view: View) -> Tensor:
        """The raw map (N, T, *S)."""
        if view.is_spatial:
            raise ConfigError(
                "sess: expected a target that is of no certain place, got one that is (a mask, a box or a unit of a map): "
                "its windows show other parts of the picture there; take gradcam"
            )
        given = view.image
        image = given.to(torch.promote_types(given.dtype, torch.float32))
        size = tuple(image.shape[2:])
        if len(size) != len(view.shape) - 2:
            raise ConfigError(
                f"sess: expected a layer with the input's {len(size)} dimensions of space, got {view.shape[2:]}: take another"
            )
        windows = list(_windows(size, self.scales))

        def make(part: slice) -> Tensor:
            return torch.stack([window.cut(image) for window in windows[part]], 1).to(given.dtype)

        weights = confidences(view, len(windows), make).clamp_min(0)
        largest = weights.amax(2, keepdim=True)
        weights = torch.where(largest > 0, weights / largest, 1)
        # exact at zeros and at borders, where rounding would make a pixel covered
        larger = [interpolating(old, new) for old, new in zip(view.shape[2:], size, strict=True)]
        total = covering = image.new_zeros(())
        for window, weight in zip(windows, weights.unbind(2), strict=True):
            window_map = _gradcam(view.retrace(view.inputs_with(window.cut(image).to(given.dtype))))
            placed = window.put(stretched(along(window_map, larger)) * weight.reshape(*weight.shape, *[1] * len(size)))
            total = torch.maximum(total, placed) if self.pool == "max" else total + placed
            covering = covering + (placed > 0)
        pooled = total if self.pool == "max" else total / covering.clamp_min(1)
        pooled = along(pooled, [smoothing(side, RADIUS, SIGMA) for side in size])
        return interpolate(pooled, size=view.shape[2:], mode="area")


def _windows(sides: tuple[int, ...], scales: int) -> Iterator[Window]:
    """All windows, the whole input first."""
    for scale in range(scales):
        lengths = tuple(side + scale * round(2 * side / 7) for side in sides)
        axes = [
            [min(start, length - side) for start in range(0, length, side)]
            for side, length in zip(sides, lengths, strict=True)
        ]
        for starts in product(*axes):
            yield Window(sides, lengths, starts)


def _gradcam(view: View) -> Tensor:
    """Grad-CAM, rectified, (N, T, *S); half precision is raised."""
    gradients = view.gradients
    gradients = gradients.to(torch.promote_types(gradients.dtype, torch.float32))
    return weigh(pool(gradients, view), view).clamp_min(0)


@hookimpl
def xaikit_method() -> type:
    return SESS
