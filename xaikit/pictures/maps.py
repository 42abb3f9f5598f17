"""The maps of a batch over the pictures of its samples, and the boxes and masks of what stands out in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from numbers import Integral
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from xaikit.errors import ConfigError
from xaikit.pictures.lettering import FAINT, Line
from xaikit.pictures.marks import marks_of
from xaikit.pictures.regions import Region, as_array, regions, union
from xaikit.pictures.sheet import HEIGHT, Cell, contact_sheet
from xaikit.pictures.signal import overlay_signal
from xaikit.pictures.threshold import Keep, Threshold
from xaikit.pictures.volume import montage_map
from xaikit.pictures.window import PictureWindow, ShownInputs, as_picture

Read = Callable[[PictureWindow, Sequence[Region], tuple[int, ...]], Tensor]
"""What is made of the regions of a map: of its window on the picture, them, and the shape of the map."""


def _nowhere(sample: int, target: int) -> tuple[Mapping[str, Any], str]:
    return {}, ""


@dataclass(frozen=True, eq=False)
class ShownMaps:
    """Finished maps (N, T, *S) and what they are laid over.

    padding  where (N, T) a sample has no target, as others have more; None where all have as many
    places   of a sample and target, what of the picture is explained, see :func:`xaikit.pictures.marks.marks_of`, and its name
    """

    maps: Tensor
    shown: ShownInputs
    padding: Tensor | None = None
    places: Callable[[int, int], tuple[Mapping[str, Any], str]] = _nowhere

    def overlay(
        self, sample: int, target: int, alpha: float, colormap: str, window: PictureWindow | None = None
    ) -> Image.Image:
        """The map of a sample and target over its picture, or another window. Raises ConfigError where there is none."""
        row, column = (
            _place(name, place, count)
            for name, place, count in zip(("sample", "target"), (sample, target), self.maps.shape, strict=False)
        )
        saliency, signed = self._map(row, column), bool((self.maps < 0).any())
        window = window or self.shown.window(row)
        if saliency.dim() == 1:
            return overlay_signal(window.picture, as_array(saliency), colormap=colormap, signed=signed)
        if saliency.dim() == 3:
            slices = self.shown.space(row)[0]
            saliency = torch.from_numpy(montage_map(as_array(saliency), slices, window.picture))
            return window.overlay(saliency, alpha=alpha, colormap=colormap, signed=signed)
        place, name = self.places(row, column)
        high, wide = self.shown.space(row)[-2:]
        marks = partial(marks_of, place, name, (wide, high))
        return window.overlay(saliency, alpha=alpha, colormap=colormap, signed=signed, marks=marks)

    def over(self, picture: Any, sample: int) -> PictureWindow:
        """Another picture for the map of a sample: it lies where it lies on the sample's own, if that is as large; else on all
        of it. Raises ConfigError or DataError where it is none."""
        given = as_picture(picture)
        if self.shown.windows is not None:
            own = self.shown.windows[_place("sample", sample, len(self.shown.windows))]
            for size, box in ((own.picture.size, own.box), own.in_file()):
                if size == given.size:
                    return PictureWindow(given, box)
        return PictureWindow.whole(given)

    def sheet(
        self,
        samples: Sequence[int] | None,
        label: str,
        lines: Callable[[int, int], Sequence[Line]],
        alpha: float,
        colormap: str,
    ) -> Image.Image:
        """Samples down, the picture and the overlay of each target across, below each what ``lines(sample, target)`` says."""
        targets, rows = range(self.maps.shape[1]), []
        for sample in range(len(self.maps)) if samples is None else samples:
            window = self.shown.window(_place("sample", sample, len(self.maps)))
            window = window.shrunk(2 * HEIGHT) if self.maps.dim() == 4 else window
            drawn = [self.overlay(sample, target, alpha, colormap, window) for target in targets]
            cells = [Cell(picture, lines(sample, target)) for target, picture in enumerate(drawn)]
            rows.append([Cell(window.picture, [(window.note, FAINT)] if window.note else []), *cells])
        return contact_sheet(["picture", *[label] * len(targets)], rows)

    def read(self, threshold: Threshold, keep: Keep, read: Read) -> list[list[Tensor]]:
        """By sample and target, what is made of the regions of the map; where a sample has no target, of none."""
        return [
            [
                read(window, self._regions(row, column, saliency, threshold, keep), tuple(saliency.shape))
                for column in range(self.maps.shape[1])
                for window, saliency in [self.shown.window(row).seen(self._picture(row, column))]
            ]
            for row in range(len(self.maps))
        ]

    def _regions(self, row: int, column: int, saliency: Tensor, threshold: Threshold, keep: Keep) -> list[Region]:
        padded = self.padding is not None and bool(self.padding[row, column])
        try:
            return [] if padded else regions(saliency, threshold, keep)
        except ConfigError as error:
            if saliency.isfinite().all():
                raise
            raise ConfigError(
                f"sample {row}, target {column}: {error}; xaikit.regions(map[sample]) has those of the other samples"
            ) from error

    def _map(self, row: int, column: int) -> Tensor:
        """That of a sample and target, (*S)."""
        return self.shown.cut(self.maps[row, column], row)

    def _picture(self, row: int, column: int) -> Tensor:
        saliency = self._map(row, column)
        if saliency.dim() != 2:
            raise ConfigError(
                f"{'x'.join(map(str, saliency.shape))}: expected a map (H, W) to lay over a picture; .numpy() has it as numbers"
            )
        return saliency


def boxes_of(window: PictureWindow, parts: Sequence[Region], shape: tuple[int, ...]) -> Tensor:
    """The boxes of regions on the picture, float (K, 4)."""
    return torch.tensor([window.placed(part.box, shape) for part in parts]).reshape(-1, 4)


def mask_of(window: PictureWindow, parts: Sequence[Region], shape: tuple[int, ...]) -> Tensor:
    """Where regions are on the picture, bool (H, W)."""
    return torch.from_numpy(window.mask(union(parts, shape)))


def _place(name: str, stated: int, count: int) -> int:
    if not isinstance(stated, Integral) or not -count <= stated < count:
        raise ConfigError(f"{name}: expected 0 ... {count - 1}, got {stated!r}")
    return int(stated) % count
