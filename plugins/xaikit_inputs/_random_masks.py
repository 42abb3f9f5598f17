"""Random masks of the input, as RISE draws them, each counted by what the model says of what it leaves."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from xaikit import ConfigError, Needs
from xaikit.method import at_least
from xaikit.ops import MODES
from xaikit.view import View

MOST = 2**28
"""Cells of all masks of a photograph, which are drawn at once: 2 GiB."""

TOGETHER = 64
"""Masks that are summed at once."""


@dataclass(frozen=True)
class RandomMasks:
    """The options of methods that weigh random masks, grids of cells that are there or not.

    masks  how many
    cells  of the grid along each axis
    share  p, of the cells that are there
    """

    masks: int = 4000
    cells: int = 7
    share: float = 0.5

    needs: ClassVar[Needs] = Needs(inputs=True, reruns=True, layers="none")
    traits: ClassVar[frozenset[str]] = frozenset({"class_specific", "per_sample"})
    paper: ClassVar[dict[str, str]] = {"rectify": "none", "normalize": "minmax"}
    examples: ClassVar[tuple[dict[str, int], ...]] = ({"masks": 8, "cells": 2},)

    def __post_init__(self) -> None:
        at_least("masks", self.masks, 1)
        at_least("cells", self.cells, 1)
        if not 0 < self.share < 1:
            raise ValueError(f"share: expected above 0 and below 1, got {self.share}")

    def further(self, channels: int, places: int) -> int:
        """Further scores a sample, for the plan."""
        return self.masks

    def variants(self) -> Hashable:
        """What the masked inputs depend on."""
        return self.masks, self.cells, self.share

    def explain(self, view: View) -> Tensor:
        """The raw map (N, T, *S)."""
        image = view.image
        masks = self._drawn(view, tuple(image.shape[2:]))

        def make(part: slice) -> Tensor:
            return (image.unsqueeze(1) * masks.of(part).unsqueeze(2)).to(image.dtype)

        scores = view.rescore(self.masks, make, probabilities=view.has_probability)
        summed = scores.new_zeros(view.shape)
        for start in range(0, self.masks, TOGETHER):
            part = slice(start, min(start + TOGETHER, self.masks))
            summed += torch.einsum("ntm,nm...->nt...", scores[..., part], masks.of(part).to(scores))
        return summed / (self.share * self.masks)

    def _drawn(self, view: View, space: tuple[int, ...]) -> Masks:
        if len(space) not in MODES:
            name = type(self).__name__.lower()
            raise ConfigError(f"{name}: expected one to three dimensions of space, got {len(space)}")
        drawn = self.masks * (self.cells + 1) ** len(space)
        if drawn > MOST:
            raise ConfigError(f"masks, cells: expected at most {MOST:,} cells in all masks, got {drawn:,}")
        grids = view.generator.uniform(self.masks, *[self.cells + 1] * len(space)) < self.share
        sizes = tuple(-(-side // self.cells) for side in space)
        offsets = view.generator.uniform(self.masks, len(space)).cpu() * torch.tensor(sizes)
        return Masks(grids, offsets.long(), sizes, space)


@dataclass(frozen=True)
class Masks:
    """Masks that are upsampled when they are asked for.

    grids    (N, masks, *cells + 1) of bool
    offsets  (N, masks, axes), in pixels
    sizes    of a cell, in pixels
    space    of the input
    """

    grids: Tensor
    offsets: Tensor
    sizes: tuple[int, ...]
    space: tuple[int, ...]

    def of(self, part: slice) -> Tensor:
        """Some of them, (N, m, *space)."""
        grids, offsets = self.grids[:, part].float(), self.offsets[:, part].flatten(0, 1)
        size = tuple(cells * cell for cells, cell in zip(grids.shape[2:], self.sizes, strict=True))
        large = interpolate(grids, size=size, mode=MODES[len(size)], align_corners=False).flatten(0, 1)
        cut = [
            mask[tuple(slice(start, start + side) for start, side in zip(corner, self.space, strict=True))]
            for mask, corner in zip(large, offsets.tolist(), strict=True)
        ]
        return torch.stack(cut).reshape(*grids.shape[:2], *self.space)
