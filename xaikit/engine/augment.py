"""Variants of a batch whose raw maps are undone and averaged; methods never see it.

The target is the one pinned on the clean pass, so a variant never explains another class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from torch import Tensor
from torch.nn.functional import interpolate

from xaikit._numeric import MODES
from xaikit.draws import SampleGenerator
from xaikit.errors import ConfigError
from xaikit.finish import resize
from xaikit.layouts import MapLayout
from xaikit.passes.nests import first_tensor, varied
from xaikit.schema.sections import AugmentConfig
from xaikit.targets import Pinned, is_spatial


@dataclass(frozen=True)
class Variant:
    """One way to vary a batch, and back.

    draw  which of several noisy copies it is; None without noise
    """

    flip: bool = False
    scale: float = 1.0
    gain: float = 1.0
    noise: float = 0.0
    draw: int | None = None

    @property
    def is_clean(self) -> bool:
        """Whether it changes nothing."""
        return self == Variant()

    def inputs(self, inputs: Any, layout: MapLayout, generator: Callable[[int], SampleGenerator]) -> Any:
        """The inputs with their first tensor varied.

        Args:
            layout: how that is arranged.
            generator: of the numbers of one draw.

        Raises:
            ConfigError: the input has no space to be flipped or scaled in.
        """
        first = first_tensor(inputs)
        if not layout.space(tuple(first.shape)):
            raise ConfigError(f"augment: expected inputs with axes of space, got {tuple(first.shape)}")
        image = layout.to_map(first)
        image = image.flip(-1) if self.flip else image
        if self.scale != 1:
            size, mode = tuple(max(1, round(side * self.scale)) for side in image.shape[2:]), MODES[image.dim() - 2]
            smooth = image.dim() == 4  # torch has no other kernel that smooths before it leaves pixels out
            image = interpolate(image, size=size, mode=mode, align_corners=False, antialias=smooth)
        image = image * self.gain
        if self.draw is not None:
            image = image + self.noise * generator(self.draw).normal(*image.shape[1:])
        return varied(inputs, layout.from_map(image, first))

    def undone(self, saliency: Tensor, space: tuple[int, ...]) -> Tensor:
        """A raw map (N, T, *S) of the variant, on the grid of the clean one's."""
        return resize(saliency.flip(-1) if self.flip else saliency, space)

    def __str__(self) -> str:
        changes = {
            "flip": self.flip,
            f"scale {self.scale:g}": self.scale != 1,
            f"gain {self.gain:g}": self.gain != 1,
            "noise": self.draw is not None,
        }
        return ", ".join(word for word, made in changes.items() if made)


def check_places(variant: Variant, pinned: Sequence[Pinned]) -> None:
    """Refuse to move the picture under a target that is of certain places of it.

    Raises:
        ConfigError: with what may be asked instead.
    """
    moved = [word for word, moves in (("flip", variant.flip), ("scale", variant.scale != 1)) if moves]
    for target in pinned:
        if moved and is_spatial(target):
            raise ConfigError(
                f"augment.{moved[0]}: target {target} is of certain places of the picture, which a mirrored or resized one has "
                "elsewhere; leave it out, gain and noise are served"
            )


def variants(augment: AugmentConfig) -> Iterator[Variant]:
    """All combinations.

    >>> [str(one) for one in variants(AugmentConfig(flip=True, gain=(1.0, 0.9)))]
    ['', 'gain 0.9', 'flip', 'flip, gain 0.9']
    """
    draws = range(augment.draws) if augment.noise else [None]
    for flip, scale, gain, draw in product([False, True][: 1 + augment.flip], augment.scale, augment.gain, draws):
        yield Variant(flip, scale, gain, augment.noise if draw is not None else 0.0, draw)
